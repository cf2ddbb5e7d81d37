import { setTimeout as wait } from "node:timers/promises";
import type { StreamConfig } from "nats";
import { findBroker } from "../../src/broker/find-broker.ts";
import { startBroker } from "../../src/broker/start-broker.ts";
import { OrderctlError } from "../../src/core/errors.ts";
import { untilAborted } from "../../src/core/waiting.ts";
import { Publisher } from "../../src/jetstream/publish/publisher.ts";
import type { Faults } from "../../src/orders/gateway/simulator/faults.ts";
import { setFaults } from "../orders/gateway/set-faults.ts";
import { until } from "../support/until.ts";
import type { Fault, GatewayTrouble } from "./schedule.ts";
import type { Poison } from "./tortured.ts";
import type { World } from "./world.ts";

/** What a fault needs: the system, a way to publish a burst and to store poison, and the end of it all. */
export type Scene = {
  world: World;
  burst(): Promise<void>;
  /** Messages that nobody can work on. */
  nextPoison(): Poison[];
  signal: AbortSignal;
};

const troubles: Record<GatewayTrouble, Partial<Faults>> = {
  slow: { latency_ms: 400 },
  errors: { error_share: 0.4 },
  drops: { drop_share: 0.4 },
  outage: { outage: true },
  hang: { hang: true },
};

const patienceMs = 60_000;

/** Does what the fault says and undoes it after its time; resolves once it is undone. */
export async function inflict(scene: Scene, fault: Fault): Promise<void> {
  const { victims, links } = scene.world;
  if (fault.kind === "kill") return victims[fault.target].kill(fault.forMs);
  if (fault.kind === "lame duck") return stopInOrder(scene, fault.forMs);
  if (fault.kind === "second start") return startSecond(scene);
  if (fault.kind === "cut") return void links[fault.target].cut();
  if (fault.kind === "burst") return scene.burst();
  if (fault.kind === "poison") return storePoison(scene);
  return lasting(scene, fault.forMs, effectOf(scene, fault));
}

type Effect = { begin(): unknown; end(): unknown };
type Lasting = Exclude<Fault, { kind: "kill" | "lame duck" | "second start" | "cut" | "burst" | "poison" }>;

function effectOf({ world, signal }: Scene, fault: Lasting): Effect {
  if (fault.kind === "freeze") {
    const victim = world.victims[fault.target];
    return { begin: () => victim.freeze(), end: () => victim.thaw() };
  }
  if (fault.kind === "stall") {
    const link = world.links[fault.target];
    return { begin: () => link.stall(), end: () => link.resume() };
  }
  if (fault.kind === "full") return fullStream(world, signal);
  const { kind } = fault;
  const put = (faults: Partial<Faults>) => patiently(() => setFaults(world.gatewayUrl, faults), signal);
  return { begin: () => put(troubles[kind]), end: () => put({}) };
}

async function lasting({ signal }: Scene, forMs: number, { begin, end }: Effect): Promise<void> {
  await begin();
  try {
    await wait(forMs, undefined, { signal });
  } finally {
    await end();
  }
}

/**
 * What the preStop hook of NATS's own Helm chart does: the broker stores nothing more at once, asks its clients to go
 * and ends their connections one after the other, then itself. It is started again after its time, as an orchestrator
 * would.
 */
async function stopInOrder({ world: { broker }, signal }: Scene, downMs: number): Promise<void> {
  process.kill(broker.pid, "SIGUSR2");
  await untilAborted(broker.exited, signal);
  await wait(downMs, undefined, { signal });
  await broker.restart();
}

/** On one store two of them overwrite each other's log without a word: the second one has to be refused. */
async function startSecond({ world: { broker } }: Scene): Promise<void> {
  const binary = await findBroker({ env: process.env });
  const second = await startBroker({ binary, storeDir: broker.storeDir }).catch(OrderctlError.from);
  if (second instanceof OrderctlError && second.code === "conflict") return;
  if (second instanceof OrderctlError) throw second;
  await second.kill();
  throw new Error(`a second nats-server was started on ${broker.storeDir}`);
}

/** So many more messages are stored: what comes while the limit is set must not go beyond it, or old ones might go. */
const headroom = 200;

/** How long it may take until it is full; where nothing comes it never is. */
const fillMs = 5000;

/**
 * A limit that is reached at once, where events come; begins with the moment it is. The stream refuses what is new
 * then, first events and outcomes alike.
 */
function fullStream({ admin: { jsm }, tortured }: World, signal: AbortSignal): Effect {
  const { stream } = tortured.flow;
  const readSize = async () => (await jsm.streams.info(stream)).state.messages;
  const limit = (change: Partial<StreamConfig>) =>
    patiently(() => jsm.streams.update(stream, change), signal);
  return {
    async begin() {
      let most = 0;
      await patiently(async () => {
        most = (await readSize()) + headroom;
      }, signal);
      await limit({ max_msgs: most });
      const givenUpAt = performance.now() + fillMs;
      await patiently(async () => {
        if ((await readSize()) < most && performance.now() < givenUpAt) throw new Error("not yet");
      }, signal);
    },
    end: () => limit({ max_msgs: -1 }),
  };
}

async function storePoison({ world, nextPoison, signal }: Scene): Promise<void> {
  const publisher = new Publisher(world.admin);
  try {
    for (const message of nextPoison()) await patiently(() => publisher.publish(message), signal);
  } finally {
    publisher.close();
  }
}

/** Again until it works: whom it asks may be out of order for another reason. */
const patiently = (attempt: () => Promise<unknown>, signal: AbortSignal): Promise<void> =>
  until(() => {
    signal.throwIfAborted();
    return attempt().then(
      () => true,
      () => false,
    );
  }, patienceMs);
