import { setMaxListeners } from "node:events";
import { setTimeout as wait } from "node:timers/promises";
import { type Fed, Feed } from "./feed.ts";
import type { FeedPlan } from "./feed-plan.ts";
import { inflict, type Scene } from "./inflict.ts";
import { Lanes } from "./lanes.ts";
import { faultLine } from "./report.ts";
import type { Fault } from "./schedule.ts";
import type { Poison, Tortured } from "./tortured.ts";
import { connectionWords, type World } from "./world.ts";

export type Plan = { seed: number; faults: readonly Fault[]; feed: FeedPlan };

export type Unleashed = Fed & { poisoned: Set<string>; seconds: number };

const poisonPerFault = 5;

type Surroundings = { print: (line: string) => void; signal: AbortSignal };

/** Publishes and does harm side by side, as planned; resolves when every key's first event is stored and everything is undone. */
export async function unleash(
  world: World,
  { seed, faults, feed: { steady, bursts } }: Plan,
  { print, signal: outer }: Surroundings,
): Promise<Unleashed> {
  const startedAt = performance.now();
  const sinceStart = () => performance.now() - startedAt;
  const failed = new AbortController();
  const signal = AbortSignal.any([outer, failed.signal]);
  setMaxListeners(0, signal);
  const due = (atMs: number) => wait(Math.max(0, atMs - sinceStart()), undefined, { signal });
  const { tortured, folder, links } = world;
  const feed = new Feed(tortured, { words: connectionWords(links.publisher), folder }, signal);
  const poisoned = new Set<string>();
  const bursting = bursts.values();
  const scene: Scene = {
    world,
    signal,
    async burst() {
      const { value } = bursting.next();
      if (value) await feed.publish(value);
    },
    nextPoison: () => Array.from({ length: poisonPerFault }, () => nextOf(tortured, poisoned, seed)),
  };
  const lanes = new Lanes();
  const publishing = steady.map((batch) => due(batch.atMs).then(() => feed.publish(batch)));
  const harm = faults.map(async (fault) => {
    await due(fault.atMs);
    await lanes.add(laneOf(fault), async () => {
      print(faultLine(fault, sinceStart()));
      await inflict(scene, fault);
    });
  });
  const everything = [...publishing, ...harm];
  try {
    await Promise.all(everything);
  } catch (thrown) {
    // Nothing goes on behind the back of whoever cleans up.
    failed.abort(thrown);
    await Promise.allSettled(everything);
    throw thrown;
  }
  return { ...feed.fed, poisoned, seconds: sinceStart() / 1000 };
}

function nextOf(tortured: Tortured, poisoned: Set<string>, seed: number): Poison {
  const message = tortured.poison(seed, poisoned.size);
  poisoned.add(message.subject);
  return message;
}

/** What must not happen to somebody at the same time: two things would undo each other's undoing. */
function laneOf({ kind, target }: Fault): string {
  if (kind === "full") return "broker";
  if (kind === "burst" || kind === "poison") return kind;
  return kind === "cut" || kind === "stall" ? `link of ${target}` : target;
}
