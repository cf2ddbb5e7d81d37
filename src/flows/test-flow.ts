import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { findBroker } from "../broker/find-broker.ts";
import { type Broker, startBroker } from "../broker/start-broker.ts";
import { OrderctlError } from "../core/errors.ts";
import { readDeadLetters } from "../dead-letters/dead-letters.ts";
import { nothingArchived } from "../flow/archived-log.ts";
import { keyOfToken } from "../flow/define/key-token.ts";
import type { DataOf, FlowEventOf, FlowTypes, KindOf } from "../flow/define/types.ts";
import type { FlowEvent, FlowLog } from "../flow/flow.ts";
import type { Handler } from "../flow/handler.ts";
import { readKey } from "../flow/key-log.ts";
import { consumersOf } from "../flow/log-consumers.ts";
import { firstMessage } from "../flow/publish-event.ts";
import { type RunningServices, runServices } from "../flow/run-services.ts";
import type { TestableFlow, ToldEvent } from "../flow/testable-flow.ts";
import { type Connection, openConnection } from "../jetstream/client/connection.ts";
import { Publisher } from "../jetstream/publish/publisher.ts";
import { applyTopology } from "../jetstream/streams/apply-topology.ts";
import { readLag } from "../jetstream/streams/lag.ts";
import { readLastSequence } from "../jetstream/streams/read-message.ts";

/** How a flow is run in a test; nothing of it is needed. */
export type TestOptions<D = unknown> = {
  /** What the handlers get as `ctx.deps`, instead of what the flow's `deps` opens. */
  deps?: D;
  /** Which services run; all by default. */
  services?: readonly string[];
  /** Streams that other programs would have made, in the broker's own field names: `{ name, subjects }`. */
  streams?: readonly (Readonly<Record<string, unknown>> & { name: string })[];
  /** Told of each line that `serve` would log. */
  note?: (text: string) => void;
};

/** What a service has given up on. */
export type GivenUp = {
  /** By its name in the flow. */
  service: string;
  /** Of the event; null where its subject has none. */
  key: string | null;
  /** The code of the last error: `bad_message`, `unprocessable` … */
  reason: string;
  /** The last error in words. */
  detail: string;
};

/** A flow whose services run on a nats-server of their own. */
export type FlowUnderTest<T extends FlowTypes> = {
  /** The address of the broker, for clients of the test's own. */
  readonly server: string;
  /** Stores a first event; resolves to its key, also where the log holds one of that key already. */
  publish(data: DataOf<T, KindOf<T>>): Promise<string>;
  /** What the log holds about a key, in the order of the log. */
  events(key: string): Promise<FlowEventOf<T>[]>;
  /** As `events`, once the key has ended; rejects with `timeout` where it has not within so many ms (10 s). */
  ended(key: string, withinMs?: number): Promise<FlowEventOf<T>[]>;
  /** What the services have given up on, the oldest first. */
  deadLetters(): Promise<GivenUp[]>;
  /**
   * Resolves once the services have nothing left to do; rejects with `timeout` where they have not within so many ms (10 s).
   * What was handed back, as after `killAfterStoring`, has been worked on once more by then.
   */
  settled(withinMs?: number): Promise<void>;
  /**
   * The service's next event is stored, and not acknowledged, as by a process that is killed in between: the event that
   * led to it is delivered once more.
   */
  killAfterStoring(service: string): void;
  /** Stops services and broker, and removes what was stored. */
  stop(): Promise<void>;
};

/** Starts a private nats-server and the flow's services, in this process. */
export async function startFlowTest<T extends FlowTypes>(
  testable: TestableFlow,
  options: TestOptions,
): Promise<FlowUnderTest<T>> {
  const binary = await findBroker({ env: process.env });
  const storeDir = await mkdtemp(join(tmpdir(), "orderctl-flow-"));
  const broker = await startBroker({ binary, storeDir, noAuth: true });
  try {
    const note = options.note ?? (() => {});
    const connection = await openConnection({ ...connecting, servers: [broker.url] }, note);
    const test = new Testing(testable, { broker, connection, storeDir });
    await test.start(options).catch(async (thrown) => {
      await test.stop();
      throw thrown;
    });
    return test as unknown as FlowUnderTest<T>;
  } catch (thrown) {
    await broker.stop();
    await rm(storeDir, { recursive: true, force: true });
    throw thrown;
  }
}

const connecting = {
  name: "orderctl test",
  connectTimeoutMs: 2000,
  reconnectWaitMs: 50,
  patienceMs: 0,
  timeoutMs: 5000,
} as const;

type At = { broker: Broker; connection: Connection; storeDir: string };

const endedMs = 10_000;
const pollMs = 10;
const stopMs = 5000;
const breakerOpenMs = 500;

class Testing {
  readonly #flow: TestableFlow;
  readonly #at: At;
  readonly #log: FlowLog;
  readonly #publisher: Publisher;
  /** Services whose next outcome is not acknowledged. */
  readonly #killed = new Set<string>();
  /** Of the services that run. */
  #consumers: ReadonlySet<string> = new Set();
  #services: RunningServices | undefined;
  #close: () => Promise<unknown> = async () => {};

  constructor(flow: TestableFlow, at: At) {
    this.#flow = flow;
    this.#at = at;
    this.#log = { connection: at.connection, flow: flow.flow, archive: nothingArchived };
    this.#publisher = new Publisher(at.connection);
  }

  get server(): string {
    return this.#at.broker.url;
  }

  async start(options: TestOptions): Promise<void> {
    const { deps, services = this.#flow.services, streams = [], note = () => {} } = options;
    await applyTopology(this.#at.connection, { streams: [...streams], consumers: [] });
    const names = services.map(this.#onBroker);
    const { flow } = this.#flow;
    this.#consumers = new Set(
      names.flatMap((name) => consumersOf(flow, name)).map(({ consumer }) => consumer),
    );
    const stopping = new AbortController();
    const { signal } = stopping;
    const opening = { env: process.env, signal, note, services: names, deps, breakerOpenMs };
    const parts = await this.#flow.openParts(opening);
    this.#close = async () => {
      stopping.abort();
      await parts.close?.();
    };
    this.#services = await runServices(this.#log, names, {
      // A test does not wait for half a minute, nor for ten.
      parts: { ...parts, patienceMs: {}, handlers: (working) => this.#killable(parts.handlers(working)) },
      maxAttempts: 3,
      followArchive: undefined,
      window: 64,
      instance: "test",
      replicas: 1,
      note,
    });
  }

  readonly #onBroker = (service: string): string => {
    const { services, serviceOf } = this.#flow;
    if (services.includes(service)) return serviceOf(service);
    throw new OrderctlError("usage", `there is no service ${service}: ${services.join(", ")}`);
  };

  #killable(handlers: Readonly<Record<string, Handler>>): Record<string, Handler> {
    const { subscriptions } = this.#log.flow;
    const wrapped = subscriptions.map(({ consumer, service }): [string, Handler] => [
      consumer,
      async (event, context) => {
        const outcome = await handlers[consumer]?.(event, context);
        if (outcome && this.#killed.delete(service))
          context.onStored(() => {
            throw new Error("killed between storing and acknowledging");
          });
        return outcome;
      },
    ]);
    return Object.fromEntries(wrapped);
  }

  killAfterStoring(service: string): void {
    this.#killed.add(this.#onBroker(service));
  }

  async publish(data: Record<string, unknown>): Promise<string> {
    const { flow, eventOf, toldOf } = this.#flow;
    const event = eventOf(flow.firstKind, data);
    await this.#publisher.publish(firstMessage(flow, event, { service: "publish", instance: "test" }));
    return toldOf(event).key;
  }

  async #stored(key: string): Promise<FlowEvent[]> {
    const { events } = await readKey(this.#log, this.#flow.tokenOf(key));
    return events.map(({ event }) => event);
  }

  async events(key: string): Promise<ToldEvent[]> {
    return (await this.#stored(key)).map(this.#flow.toldOf);
  }

  async ended(key: string, withinMs = endedMs): Promise<ToldEvent[]> {
    const { flow, toldOf } = this.#flow;
    const isEnd = (event: FlowEvent) => flow.endsWith(event.kind, flow.describe(event).outcome);
    for (const startedAt = performance.now(); ; await wait(pollMs)) {
      const events = await this.#stored(key);
      if (events.some(isEnd)) return events.map(toldOf);
      if (performance.now() - startedAt < withinMs) continue;
      const has = events.map(({ kind }) => kind).join(", ") || "nothing";
      const gaveUp = (await this.deadLetters()).map(
        ({ service, detail }) => `; ${service} gave up: ${detail}`,
      );
      throw new OrderctlError("timeout", `${key} has not ended: the log has ${has} of it${gaveUp.join("")}`);
    }
  }

  async settled(withinMs = endedMs): Promise<void> {
    for (const startedAt = performance.now(); ; await wait(pollMs)) {
      const left = await this.#left();
      if (left === undefined) return;
      if (performance.now() - startedAt > withinMs)
        throw new OrderctlError("timeout", `the services have not settled: ${left}`);
    }
  }

  /** What keeps the services from having settled. An event that is stored while consumers are read may be missed. */
  async #left(): Promise<string | undefined> {
    const { connection, flow } = this.#log;
    const lastOf = () => readLastSequence(connection, flow.stream);
    const before = await lastOf();
    const { consumers } = await readLag(connection, { stream: flow.stream, intervalMs: 0 });
    const isBusy = consumers.find(
      ({ consumer, pending, ackPending }) => this.#consumers.has(consumer) && pending + ackPending > 0,
    );
    if (isBusy) return `${isBusy.consumer} has ${isBusy.pending + isBusy.ackPending} events left`;
    return (await lastOf()) === before ? undefined : "events are stored";
  }

  async deadLetters(): Promise<GivenUp[]> {
    const { services, serviceOf } = this.#flow;
    const letters = await readDeadLetters(this.#log);
    return letters.reverse().map(({ letter: { service, orderId, reason, detail } }) => ({
      service: services.find((name) => serviceOf(name) === service) ?? service,
      key: orderId === null ? null : (keyOfToken(orderId) ?? orderId),
      reason,
      detail,
    }));
  }

  async stop(): Promise<void> {
    try {
      await this.#services?.stop(stopMs);
      await this.#close();
    } finally {
      this.#publisher.close();
      await this.#at.connection.close();
      await this.#at.broker.stop();
      await rm(this.#at.storeDir, { recursive: true, force: true });
    }
  }
}
