import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { findBroker } from "../broker/find-broker.ts";
import { type Broker, startBroker } from "../broker/start-broker.ts";
import { OrderctlError } from "../core/errors.ts";
import { readDeadLetters } from "../dead-letters/dead-letters.ts";
import { nothingArchived } from "../flow/archived-log.ts";
import { type CompiledFlow, compileDefinedFlow } from "../flow/define/compile-flow.ts";
import type { DefinedFlow } from "../flow/define/define-flow.ts";
import { type DataEvent, eventOf } from "../flow/define/event-codec.ts";
import { serviceOnBroker } from "../flow/define/flow-services.ts";
import { definedHandlers } from "../flow/define/handlers.ts";
import { keyOfToken, tokenOfKey } from "../flow/define/key-token.ts";
import type { DataOf, FlowEventOf, FlowTypes, KindOf } from "../flow/define/types.ts";
import type { FlowLog } from "../flow/flow.ts";
import type { Handler } from "../flow/handler.ts";
import { readKey } from "../flow/key-log.ts";
import { firstMessage } from "../flow/publish-event.ts";
import { type RunningServices, runServices } from "../flow/run-services.ts";
import { type Connection, openConnection } from "../jetstream/client/connection.ts";
import { Publisher } from "../jetstream/publish/publisher.ts";
import { applyTopology } from "../jetstream/streams/apply-topology.ts";

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
   * The service's next event is stored, and not acknowledged, as by a process that is killed in between: the event that
   * led to it is delivered once more.
   */
  killAfterStoring(service: string): void;
  /** Stops services and broker, and removes what was stored. */
  stop(): Promise<void>;
};

/**
 * Starts a private nats-server and the flow's services, in this process. The server is the one that orderctl would use:
 * found on the machine, or fetched once.
 */
export async function testFlow<T extends FlowTypes, D>(
  flow: DefinedFlow<T, D>,
  options: TestOptions<D> = {},
): Promise<FlowUnderTest<T>> {
  const compiled = await compileDefinedFlow(flow as unknown as DefinedFlow);
  const binary = await findBroker({ env: process.env });
  const storeDir = await mkdtemp(join(tmpdir(), "orderctl-flow-"));
  const broker = await startBroker({ binary, storeDir, noAuth: true });
  try {
    const note = options.note ?? (() => {});
    const connection = await openConnection({ ...connecting, servers: [broker.url] }, note);
    const test = new Testing(compiled, { broker, connection, storeDir });
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

class Testing {
  readonly #compiled: CompiledFlow;
  readonly #at: At;
  readonly #log: FlowLog;
  readonly #publisher: Publisher;
  /** Services whose next outcome is not acknowledged. */
  readonly #killed = new Set<string>();
  #services: RunningServices | undefined;
  #close: () => Promise<unknown> = async () => {};

  constructor(compiled: CompiledFlow, at: At) {
    this.#compiled = compiled;
    this.#at = at;
    const flow = compiled.flow as unknown as FlowLog["flow"];
    this.#log = { connection: at.connection, flow, archive: nothingArchived };
    this.#publisher = new Publisher(at.connection);
  }

  get server(): string {
    return this.#at.broker.url;
  }

  async start({ deps: given, services, streams = [], note = () => {} }: TestOptions): Promise<void> {
    await applyTopology(this.#at.connection, { streams: [...streams], consumers: [] });
    const { defined } = this.#compiled;
    const names = services ?? [...new Set(defined.services.map(({ name }) => name))];
    const stopping = new AbortController();
    const opened = given === undefined;
    const deps = given ?? (await defined.openDeps?.({ env: process.env, signal: stopping.signal }));
    this.#close = async () => {
      stopping.abort();
      if (opened) await defined.closeDeps?.(deps as never);
    };
    this.#services = await runServices(this.#log, names.map(this.#onBroker), {
      parts: { handlers: (log) => this.#killable(definedHandlers(this.#compiled, { log, deps })) },
      followArchive: undefined,
      concurrency: 16,
      // A test does not wait for half a minute.
      maxAttempts: 3,
      window: 64,
      instance: "test",
      replicas: 1,
      note,
    });
  }

  readonly #onBroker = (service: string): string => {
    const { definition, services } = this.#compiled.defined;
    const names = services.map(({ name }) => name);
    if (names.includes(service)) return serviceOnBroker(definition.name, service);
    throw new OrderctlError("usage", `there is no service ${service}: ${[...new Set(names)].join(", ")}`);
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
    const { flow, defined } = this.#compiled;
    const event = eventOf(defined.definition.key, flow.firstKind, data);
    await this.#publisher.publish(firstMessage(flow, event, { service: "publish", instance: "test" }));
    return keyOfToken(event.key) ?? event.key;
  }

  async events(key: string): Promise<{ kind: string; key: string; data: object }[]> {
    const { events } = await readKey(this.#log, tokenOfKey(key));
    return events.map(({ event }) => ({ ...(event as DataEvent), key }));
  }

  async ended(key: string, withinMs = endedMs): Promise<{ kind: string; key: string; data: object }[]> {
    const { flow } = this.#compiled;
    const isEnd = (event: object) => {
      const { outcome } = flow.describe({ ...event, key: tokenOfKey(key) } as DataEvent);
      return flow.endsWith((event as DataEvent).kind, outcome);
    };
    for (const startedAt = performance.now(); ; await wait(pollMs)) {
      const events = await this.events(key);
      if (events.some(isEnd)) return events;
      if (performance.now() - startedAt < withinMs) continue;
      const has = events.map(({ kind }) => kind).join(", ") || "nothing";
      const gaveUp = (await this.deadLetters()).map(
        ({ service, detail }) => `; ${service} gave up: ${detail}`,
      );
      throw new OrderctlError("timeout", `${key} has not ended: the log has ${has} of it${gaveUp.join("")}`);
    }
  }

  async deadLetters(): Promise<GivenUp[]> {
    const letters = await readDeadLetters(this.#log);
    const prefix = serviceOnBroker(this.#compiled.defined.definition.name, "");
    return letters.reverse().map(({ letter: { service, orderId, reason, detail } }) => ({
      service: service.replace(prefix, ""),
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
