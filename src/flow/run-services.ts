import { OrderctlError } from "../core/errors.ts";
import type { Listening } from "../core/listening.ts";
import type { Note } from "../core/note.ts";
import type { Connection } from "../jetstream/client/connection.ts";
import type { Problem } from "../jetstream/consume/problems.ts";
import type { WorkerCounts } from "../jetstream/consume/worker-options.ts";
import { Publisher } from "../jetstream/publish/publisher.ts";
import { applyTopology, readStreamIdentity } from "../jetstream/streams/apply-topology.ts";
import { type Drift, driftText } from "../jetstream/streams/settings-drift.ts";
import type { Telemetry } from "../telemetry/telemetry.ts";
import type { ArchivedKeys, FollowedArchive } from "./archived-log.ts";
import type { FlowLog, FlowShape } from "./flow.ts";
import { flowTopology, redriverOf } from "./flow-topology.ts";
import type { Handler } from "./handler.ts";
import { consumersOf, type LogConsumer } from "./log-consumers.ts";
import { type StartedWorkers, startWorkers } from "./start-workers.ts";

/**
 * A circuit breaker around a system that a service depends on: while it is open, the service's workers pull nothing.
 */
export type ServiceBreaker = {
  readonly name: string;
  state(): "closed" | "half-open" | "open";
  openForMs(): number | null;
};

/** What handlers and servers of a process work with: the flow, the connection, and a publisher on it. */
export type Working = FlowLog & { publisher: Publisher; archivedKeys: ArchivedKeys | undefined };

/** The code of a flow's services. */
export type FlowParts = {
  /**
   * Handlers by consumer name. `log` identifies the stream: sequences are meaningless after the stream is recreated.
   */
  handlers(working: Working & { log: string }): Readonly<Record<string, Handler>>;
  /** Deliveries in flight per worker, by service name. */
  concurrency?: Readonly<Record<string, number>>;
  /** See `DeadLetterRule.patienceMs`; by service name. */
  patienceMs?: Readonly<Record<string, number>>;
  /** Breakers by service name. */
  breakers?: Readonly<Record<string, ServiceBreaker>>;
  /** A server for other programs (the order API), and the name under which users start it, as they start a service. */
  server?: { name: string; open: (working: Working) => Promise<Listening> };
  /** Called when the streams are there, before anything works; what it throws keeps the services from starting. */
  begin?: (connection: Connection) => Promise<void>;
  /** Closes what the handlers work with. To be called after the services have stopped, by who opened the parts. */
  close?: () => Promise<void>;
  /** What the flow reports when services start: `text` for people, `data` for the JSON output. */
  told?: (names: readonly string[]) => { text: string; data: Record<string, unknown> };
};

export type ServiceOptions = {
  parts: FlowParts;
  /**
   * Follows the archive, with its `keys` for services that take first events; notes call the services `who`. Undefined
   * only where the log is never archived.
   */
  followArchive: ((log: FlowLog, as: { who: string; keys: boolean }) => Promise<FollowedArchive>) | undefined;
  /** Deliveries in flight per worker; where it is not given, what the flow says of a service, or 256. */
  concurrency?: number | undefined;
  /** How often an event may fail in one process before it becomes a dead letter. */
  maxAttempts?: number;
  /** Publishes in flight for the whole process. */
  window: number;
  instance: string;
  replicas: number;
  /** Size limit of the log, used when the stream is created. */
  maxBytes?: number | undefined;
  /** Where the work is reported; omitted: nowhere. */
  telemetry?: Pick<Telemetry, "tracing" | "metrics">;
  /** How far this machine's clock is ahead of the broker's, µs; 0 by default. */
  aheadUs?: () => number;
  note: Note;
};

/** What runs, and where. `drifts` lists the broker settings that differ from the topology. */
export type Serving = {
  services: string[];
  broker: string;
  brokerVersion: string;
  instance: string;
  /** Address of the server for other programs; `null` when this process runs none. */
  url: string | null;
  /** Address of the metrics and health endpoint; `null` when it is off. */
  metricsUrl: string | null;
  /** Address to which spans are sent; `null` when none are sent. */
  spansTo: string | null;
  /** Where this process archives the log; `null` when it does not. */
  archive: string | null;
  drifts: Drift[];
};

/** What this process has done for a consumer; the time of its handlers in µs. */
export type ConsumerWork = LogConsumer & {
  counts: WorkerCounts;
  workedUs: number;
  lastError: string | undefined;
};

export type RunningServices = {
  serving: Serving & Record<string, unknown>;
  /** The flow's own text about what runs; empty when it has none. */
  told: string;
  counts(): Record<string, WorkerCounts>;
  work(): ConsumerWork[];
  /** The problems that currently keep workers from working. */
  problems(): (Problem & { consumer: string })[];
  /** Drains within `deadlineMs`; deliveries unfinished by then are handed back to the broker. */
  stop(deadlineMs: number): Promise<void>;
};

/**
 * Creates the missing parts of the topology and starts the named services in this process. Rejects with `timeout` when
 * the broker does not answer; the call can then be repeated.
 */
export async function runServices(
  flowLog: FlowLog,
  names: readonly string[],
  options: ServiceOptions,
): Promise<RunningServices> {
  const { connection, flow } = flowLog;
  const { parts, note, instance } = options;
  const drifts = await applyTopology(connection, flowTopology(flow, options));
  refuseBrokenPromises(flow, drifts, names);
  const log = await readStreamIdentity(connection, flow.stream);
  for (const drift of drifts) note(driftText(drift));
  await parts.begin?.(connection);
  const server = parts.server && names.includes(parts.server.name) ? parts.server : undefined;
  const subscriptions = names.flatMap(flow.subscriptionsOf);
  const firsts = subscriptions.filter(({ on }) => on === flow.firstKind);
  const follow = names.length > 0 && flow.isManaged ? options.followArchive : undefined;
  const takers = new Set([...(server ? [server.name] : []), ...firsts.map(({ service }) => service)]);
  const as = { who: [...(takers.size > 0 ? takers : names)].join(" and "), keys: takers.size > 0 };
  const { progress, keys } = (await follow?.(flowLog, as)) ?? {};
  // After a reconnect, what is known of the archive has to be forgotten before anything is sent again.
  const publisher = new Publisher(connection, { window: options.window });
  const working = { ...flowLog, publisher, archivedKeys: keys };
  // The server starts before the workers: if its port is taken, no worker is left running.
  const listening = await server?.open(working);
  const { workers, redrivers, worked } = startWorkers({ ...working, log, progress }, names, options);
  const consumers = names.flatMap((name) => consumersOf(flow, name));
  // It keeps all of them from their work, and is told once.
  const [told] = [...firsts, ...subscriptions];
  const { text = "", data = {} } = parts.told?.(names) ?? {};
  const url = listening?.url ?? null;
  return {
    serving: { ...servingOf(connection, names, instance), url, ...data, drifts },
    told: text,
    problems: () => [
      ...(told ? of(told.consumer, progress?.problems() ?? []) : []),
      ...[...workers, ...redrivers].flatMap(([consumer, { problems }]) => of(consumer, problems)),
    ],
    counts: () => Object.fromEntries([...workers].map(([consumer, worker]) => [consumer, worker.counts])),
    work: () => consumers.flatMap((each) => workOf(each, { workers, worked })),
    async stop(deadlineMs) {
      const parts = [listening, ...workers.values(), ...redrivers.values()];
      try {
        await Promise.all(parts.map((part) => part?.stop(deadlineMs)));
      } finally {
        progress?.stop();
      }
      publisher.close();
    },
  };
}

const servingOf = ({ server, version }: Connection, names: readonly string[], instance: string) => ({
  services: [...names],
  broker: server,
  brokerVersion: version,
  instance,
  ...{ metricsUrl: null, spansTo: null, archive: null },
});

function workOf(of: LogConsumer, { workers, worked }: Omit<StartedWorkers, "redrivers">): ConsumerWork[] {
  const worker = workers.get(of.consumer);
  if (!worker) return [];
  const { counts, lastError } = worker;
  return [{ ...of, counts, lastError, workedUs: worked.get(of.consumer)?.us ?? 0 }];
}

const of = (consumer: string, problems: readonly Problem[]) =>
  problems.map((problem) => ({ consumer, ...problem }));

/**
 * Throws `usage` when a setting differs that a service relies on: without it, orders could be lost or handled twice
 * unnoticed.
 */
function refuseBrokenPromises(flow: FlowShape, drifts: readonly Drift[], names: readonly string[]): void {
  const own = new Set(
    names.flatMap((name) => [
      ...consumersOf(flow, name).map(({ consumer }) => consumer),
      ...flow.subscriptionsOf(name).map(({ consumer }) => redriverOf(consumer)),
    ]),
  );
  const broken = drifts.filter(
    ({ kind, name, leadsTo }) => leadsTo !== null && (kind === "stream" || own.has(name)),
  );
  if (broken.length === 0) return;
  throw new OrderctlError("usage", broken.map(driftText).join("; "), {
    hint: "`orderctl topology apply --fix` sets it back; `orderctl topology diff` shows every difference",
    source: "broker",
  });
}
