import { setTimeout as wait } from "node:timers/promises";
import { type Backlog, isDrained, readBacklog } from "../support/read-log.ts";
import { planFeed } from "./feed-plan.ts";
import { judge } from "./judge.ts";
import { backlogText, clock, isKept, type Summary, summaryLines } from "./report.ts";
import { buildSchedule, type Fault } from "./schedule.ts";
import type { Tortured } from "./tortured.ts";
import { torturedClaims } from "./tortured-claims.ts";
import { torturedOrders } from "./tortured-orders.ts";
import { type Plan, unleash } from "./unleash.ts";
import { openWorld, processesOf, type World } from "./world.ts";

const flows = { orders: () => torturedOrders, claims: torturedClaims } as const;

export type FlowName = keyof typeof flows;
export const flowNames = Object.keys(flows) as FlowName[];

export type ChaosOptions = {
  flow: FlowName;
  seed: number;
  /** Orders, or what the flow is about, altogether, and how many a second on average. */
  orders: number;
  rate: number;
  kills: number;
  ackWaitMs: number;
};

type Surroundings = { print: (line: string) => void; signal: AbortSignal };

/** The broker's own redelivery and the breaker's pauses take their time; whoever needs more than this hangs. */
const drainPatienceS = 300;
const tellEveryS = 10;

type Planned = Omit<ChaosOptions, "flow"> & Pick<Tortured, "absenceMs">;

/** What will be done: it depends on the options alone. */
export function planOf({ seed, orders, rate, kills, ackWaitMs, absenceMs }: Planned): Plan {
  const spanMs = (orders / rate) * 1000;
  // Long enough, where there is time, that what is frozen comes back to work that others have done meanwhile.
  const longestMs = Math.min(1.3 * ackWaitMs, spanMs / 8);
  const faults = [...buildSchedule({ seed, spanMs, kills, longestMs }), ...absence(absenceMs, spanMs)];
  const burstsAtMs = faults.filter(({ kind }) => kind === "burst").map(({ atMs }) => atMs);
  return { seed, faults, feed: planFeed({ seed, spanMs, orders, burstsAtMs }) };
}

/** In the second quarter of the time, for a third of it at most. */
const absence = (absenceMs: number, spanMs: number): Fault[] =>
  absenceMs === 0
    ? []
    : [{ kind: "outage", target: "gateway", atMs: spanMs / 4, forMs: Math.min(absenceMs, spanMs / 3) }];

/**
 * Runs everything, breaks all of it again and again, puts it back, waits until all is worked off, and judges. Prints
 * what it does. Leaves no process, and no data unless a promise was broken. Rejects with the signal's reason.
 */
export async function runChaos(options: ChaosOptions, { print, signal }: Surroundings): Promise<Summary> {
  const { seed, orders: keys, rate, kills, ackWaitMs } = options;
  const tortured = await flows[options.flow]();
  const plan = planOf({ ...options, ...tortured });
  const others = plan.faults.length - kills;
  const { many } = tortured.rules.noun;
  print(`seed ${seed}: ${keys} ${many}, ${rate}/s, ${kills} kills and ${others} other faults`);
  const breakerOpenMs = Math.min(15_000, ackWaitMs / 2);
  const world = await openWorld({ tortured, ackWaitMs, breakerOpenMs, keys });
  let keep = true;
  try {
    print(`nats-server ${world.broker.version}, Node ${process.version}, ack wait ${ackWaitMs / 1000} s`);
    const summary = await breakAndJudge(world, { ...plan, ackWaitMs }, { print, signal });
    for (const line of summaryLines(summary)) print(line);
    keep = !isKept(summary.findings);
    return summary;
  } catch (thrown) {
    keep = !signal.aborted;
    throw thrown;
  } finally {
    await world.close({ keep });
    if (keep) print(`kept: ${world.folder} (logs, ledger) and ${world.broker.storeDir} (the broker's data)`);
  }
}

async function breakAndJudge(
  world: World,
  { ackWaitMs, ...plan }: Plan & { ackWaitMs: number },
  { print, signal }: Surroundings,
): Promise<Summary> {
  const run = await unleash(world, plan, { print, signal });
  const sinceStart = (seconds: number) => clock((run.seconds + seconds) * 1000);
  print(
    `${sinceStart(0)}  everything is as it should be again, and every ${world.tortured.rules.noun.one} is stored`,
  );
  const tell = (left: Backlog, seconds: number) => print(`${sinceStart(seconds)}  ${backlogText(left)}`);
  const { seconds: drainSeconds, left } = await drain(world, { tell, signal });
  if (!left) print(`${sinceStart(drainSeconds)}  drained`);
  const judged = await judge(world, { ...run, ackWaitMs });
  const worked = {
    promise: "all is worked off",
    checked: judged.events,
    broken: left ? [backlogText(left)] : [],
  };
  const ends = processesOf(world).flatMap((each) => each.ends);
  return {
    ...judged,
    tortured: world.tortured,
    findings: [worked, ...judged.findings],
    run,
    faults: plan.faults,
    drainSeconds,
    ends,
  };
}

type Drained = { seconds: number; left: Backlog | undefined };

/** Waits until nothing is left, or patience is at its end. */
async function drain(
  { admin, tortured }: World,
  { tell, signal }: { tell: (left: Backlog, seconds: number) => void; signal: AbortSignal },
): Promise<Drained> {
  const startedAt = performance.now();
  const elapsed = () => (performance.now() - startedAt) / 1000;
  for (let tellAt = tellEveryS; ; ) {
    if (await isDrained(admin, tortured.flow.stream).catch(() => false))
      return { seconds: elapsed(), left: undefined };
    // Asking costs the broker time that it has better use for.
    await wait(100, undefined, { signal });
    const seconds = elapsed();
    if (seconds < tellAt) continue;
    tellAt += tellEveryS;
    const left = await readBacklog(admin, tortured.flow.stream).catch(() => ({}));
    tell(left, seconds);
    if (seconds > drainPatienceS) return { seconds, left };
  }
}
