import { OrderctlError } from "../core/errors.ts";
import type { Listening } from "../core/listening.ts";
import type { Note } from "../core/note.ts";
import type { Problem } from "../jetstream/consume/problems.ts";
import { Worker } from "../jetstream/consume/worker.ts";
import type { WorkerCounts } from "../jetstream/consume/worker-options.ts";
import { Publisher } from "../jetstream/publish/publisher.ts";
import { type Drift, driftText } from "../jetstream/streams/settings-drift.ts";
import { applyTopology, readStreamIdentity } from "../jetstream/streams/topology.ts";
import { noTelemetry, type Telemetry } from "../telemetry/telemetry.ts";
import { deadLetterRule, processRedriven } from "./dead-letters-rule.ts";
import { createReports } from "./delivery-report.ts";
import type { Flow, FlowLog, FlowShape } from "./flow.ts";
import { type Handler, handlerOf } from "./handler.ts";
import { processWith } from "./process-event.ts";
import { ackWaitMs, flowTopology, redriverOf, redrivesStream } from "./topology.ts";

/** A circuit breaker around what a service depends on: while it is open, the service's workers pull nothing. */
export type ServiceBreaker = {
  readonly name: string;
  state(): "closed" | "half-open" | "open";
  openForMs(): number | null;
};

/** What a process has open for its work: the log, and a publisher into it. */
export type Working = FlowLog & { publisher: Publisher };

/** What the services of a flow are made of. */
export type FlowParts = {
  /** By consumer. `log` is the identity of the stream: sequences do not outlive it. */
  handlers(working: Working & { log: string }): Readonly<Record<string, Handler>>;
  /** By service. */
  breakers?: Readonly<Record<string, ServiceBreaker>>;
  /** What answers to others, and the name under which it runs beside the services. */
  server?: { name: string; open: (working: Working) => Promise<Listening> };
  /** What is told where the services run; in words, and as it stands in JSON. */
  told?: (names: readonly string[]) => { text: string; data: Record<string, unknown> };
};

export type ServiceOptions = {
  parts: FlowParts;
  /** Deliveries in flight per worker. */
  concurrency: number;
  /** How often an event may fail in one process before it becomes a dead letter. */
  maxAttempts?: number;
  /** Publishes in flight for the whole process. */
  window: number;
  instance: string;
  replicas: number;
  /** Of the log, when it is created. */
  maxBytes?: number | undefined;
  /** Where the work is reported; nowhere by default. */
  telemetry?: Pick<Telemetry, "tracing" | "metrics">;
  /** What this machine's clock is ahead of the broker's by, µs; 0 by default. */
  aheadUs?: () => number;
  note: Note;
};

/** What runs where. `drifts` says where the broker's settings are not those of the topology. */
export type Serving = {
  services: string[];
  broker: string;
  brokerVersion: string;
  instance: string;
  /** Of what answers to others; `null` where nothing of that runs. */
  url: string | null;
  /** Where metrics and health are told; `null` where nobody asked for it. */
  metricsUrl: string | null;
  /** Where spans are sent; `null` where none are. */
  spansTo: string | null;
  drifts: Drift[];
};

export type RunningServices = {
  serving: Serving & Record<string, unknown>;
  /** What the flow says of it in words. */
  told: string;
  counts(): Record<string, WorkerCounts>;
  /** What keeps a worker from its work at the moment. */
  problems(): (Problem & { consumer: string })[];
  /** Drains within `deadlineMs`; what is left then is handed back. */
  stop(deadlineMs: number): Promise<void>;
};

export const defaultMaxAttempts = 8;
/** Of a dead letter that is given to its consumer once more there is rarely more than a few. */
const redriveConcurrency = 16;

/**
 * Creates what is missing of the topology and starts the named services in this process. Where the broker does not answer it
 * rejects with `timeout` and may be called again.
 */
export async function runServices(
  { connection, flow }: FlowLog,
  names: readonly string[],
  options: ServiceOptions,
): Promise<RunningServices> {
  const { parts, note, instance } = options;
  const drifts = await applyTopology(connection, flowTopology(flow, options));
  refuseBrokenPromises(flow, drifts, names);
  const log = await readStreamIdentity(connection, flow.stream);
  for (const drift of drifts) note(driftText(drift));
  const publisher = new Publisher(connection, { window: options.window });
  const working = { connection, flow, publisher };
  // First what may fail: a port that is taken leaves no worker behind.
  const server = parts.server && names.includes(parts.server.name) ? parts.server : undefined;
  const listening = await server?.open(working);
  const { workers, redrivers } = startWorkers({ ...working, log }, names, options);
  const { text = "", data = {} } = parts.told?.(names) ?? {};
  return {
    serving: {
      services: [...names],
      broker: connection.server,
      brokerVersion: connection.version,
      instance,
      url: listening?.url ?? null,
      metricsUrl: null,
      spansTo: null,
      ...data,
      drifts,
    },
    told: text,
    problems: () =>
      [...workers, ...redrivers].flatMap(([consumer, { problems }]) =>
        problems.map((problem) => ({ consumer, ...problem })),
      ),
    counts: () => Object.fromEntries([...workers].map(([consumer, worker]) => [consumer, worker.counts])),
    async stop(deadlineMs) {
      await Promise.all(
        [listening, ...workers.values(), ...redrivers.values()].map((part) => part?.stop(deadlineMs)),
      );
      publisher.close();
    },
  };
}

/** A service that worked all the same would lose orders, or do things twice, without a word. */
function refuseBrokenPromises(flow: FlowShape, drifts: readonly Drift[], names: readonly string[]): void {
  const own = new Set(
    names.flatMap((name) =>
      flow.subscriptionsOf(name).flatMap(({ consumer }) => [consumer, redriverOf(consumer)]),
    ),
  );
  const broken = drifts.filter(
    ({ kind, name, leadsTo }) => leadsTo !== null && (kind === "stream" || own.has(name)),
  );
  if (broken.length === 0) return;
  throw new OrderctlError("usage", broken.map(driftText).join("; "), {
    hint: "`orderctl topology apply --fix` sets it back; `orderctl topology diff` shows every difference",
    fault: "broker",
  });
}

function startWorkers(
  working: Working & { log: string },
  names: readonly string[],
  options: ServiceOptions,
): { workers: Map<string, Worker>; redrivers: Map<string, Worker> } {
  const { flow } = working;
  const { parts, concurrency, instance, note, maxAttempts = defaultMaxAttempts } = options;
  const { telemetry = noTelemetry, aheadUs } = options;
  const handlers = parts.handlers(working);
  const counters = telemetry.metrics && flow.countersOf(telemetry.metrics);
  const workers = new Map<string, Worker>();
  const redrivers = new Map<string, Worker>();
  for (const service of names) {
    const breaker = parts.breakers?.[service];
    const isPaused = breaker && (() => breaker.state() === "open");
    if (breaker) telemetry.metrics?.observeBreaker(breaker.name, () => breaker.state());
    for (const { consumer, on, when } of flow.subscriptionsOf(service)) {
      const startReport = createReports(flow, { service, consumer, on }, { telemetry, counters, aheadUs });
      const process = processWith(flow, handlerOf(handlers, consumer), { service, instance, startReport });
      const isIdle = when === undefined ? undefined : otherStatus(flow, on, when);
      const deadLetters = deadLetterRule(flow, { service, instance, consumer }, maxAttempts);
      const settings = { consumer, concurrency, ackWaitMs, note, isIdle, isPaused, deadLetters };
      workers.set(consumer, new Worker(working, { ...settings, stream: flow.stream }, process));
      const place = { stream: redrivesStream, consumer: redriverOf(consumer) };
      const again = { ...settings, ...place, concurrency: redriveConcurrency };
      redrivers.set(again.consumer, new Worker(working, again, processRedriven(working, on, process)));
    }
  }
  return { workers, redrivers };
}

const otherStatus =
  (flow: Flow, kind: string, status: string) =>
  (payload: Uint8Array): boolean =>
    flow.hasOtherStatus(kind, payload, status);
