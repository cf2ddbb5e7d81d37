import { OrderctlError } from "../core/errors.ts";
import type { Listening, Place } from "../core/listening.ts";
import type { Note } from "../core/note.ts";
import type { Connection } from "../jetstream/client/connection.ts";
import type { Problem } from "../jetstream/consume/problems.ts";
import { Worker } from "../jetstream/consume/worker.ts";
import type { WorkerCounts } from "../jetstream/consume/worker-options.ts";
import { Publisher } from "../jetstream/publish/publisher.ts";
import { Bucket } from "../jetstream/streams/bucket.ts";
import { type Drift, driftText } from "../jetstream/streams/settings-drift.ts";
import { applyTopology, readStreamIdentity } from "../jetstream/streams/topology.ts";
import { createOrderDesk } from "../orders/api/log-order-store.ts";
import type { Breaker } from "../orders/gateway/breaker.ts";
import type { PaymentGateway } from "../orders/gateway/gateway.ts";
import { type RunnableName, type ServiceName, stationsOf } from "../orders/services/registry.ts";
import { StockShelf } from "../orders/stock/stock-shelf.ts";
import { createStockStore } from "../orders/stock/stock-store.ts";
import { ordersStream } from "../orders/subjects.ts";
import { hasOtherStatus } from "../orders/wire/peek-status.ts";
import { noTelemetry, type Telemetry } from "../telemetry/telemetry.ts";
import type { TracedRequest } from "../telemetry/tracing/tracing.ts";
import { deadLetterRule, processRedriven } from "./dead-letters-rule.ts";
import { createReports } from "./delivery-report.ts";
import { paymentReader } from "./order-log.ts";
import { processWith } from "./process-event.ts";
import { ackWaitMs, inventoryBucket, orderTopology, redriverOf, redrivesStream } from "./topology.ts";

/** What becomes of a SKU that nobody has stocked: it has the default stock, or orders of it are OUT_OF_STOCK. */
export const unknownSkuPolicies = ["stock", "refuse"] as const;
export type UnknownSkus = (typeof unknownSkuPolicies)[number];

export type ServiceOptions = {
  gateway: PaymentGateway;
  /** While a service's breaker is open, its workers pull nothing. */
  breakers?: Partial<Record<ServiceName, Breaker>>;
  /** Units of a SKU that nobody has stocked, unless such SKUs are refused. */
  defaultStock: number;
  /** `stock` by default. */
  unknownSkus?: UnknownSkus;
  /** Lines of an order that the API takes; as many as an event can have by default. */
  maxLines?: number;
  carrier: string;
  channel: string;
  /** Deliveries in flight per worker. */
  concurrency: number;
  /** How often an event may fail in one process before it becomes a dead letter. */
  maxAttempts?: number;
  /** Publishes in flight for the whole process. */
  window: number;
  instance: string;
  replicas: number;
  /** Of ORDERS, when it is created. */
  maxBytes?: number | undefined;
  /** Where the order API listens. */
  http: Omit<Place, "flag">;
  /** Where the work is reported; nowhere by default. */
  telemetry?: Pick<Telemetry, "tracing" | "metrics">;
  /** What this machine's clock is ahead of the broker's by, µs; 0 by default. */
  aheadUs?: () => number;
  note: Note;
};

/** What runs where. `drifts` says where the broker's settings are not those of the topology. */
export type Serving = {
  services: RunnableName[];
  broker: string;
  brokerVersion: string;
  instance: string;
  /** Of the order API; `null` where it does not run. */
  url: string | null;
  /** Where metrics and health are told; `null` where nobody asked for it. */
  metricsUrl: string | null;
  /** Where spans are sent; `null` where none are. */
  spansTo: string | null;
  /** Units of a SKU that nobody has stocked, 0 where they are refused; `null` where inventory does not run. */
  unknownSkuUnits: number | null;
  drifts: Drift[];
};

export type RunningServices = {
  serving: Serving;
  counts(): Record<string, WorkerCounts>;
  /** What keeps a worker from its work at the moment. */
  problems(): (Problem & { consumer: string })[];
  /** Drains within `deadlineMs`; what is left then is handed back. */
  stop(deadlineMs: number): Promise<void>;
};

export const defaultMaxAttempts = 8;
/** Of a dead letter that is given to its consumer once more there is rarely more than a few. */
const redriveConcurrency = 16;

type Bench = { connection: Connection; publisher: Publisher };

/**
 * Creates what is missing of the topology and starts the named services in this process. Where the broker does not answer it
 * rejects with `timeout` and may be called again.
 */
export async function runServices(
  connection: Connection,
  names: readonly RunnableName[],
  options: ServiceOptions,
): Promise<RunningServices> {
  const drifts = await applyTopology(connection, orderTopology(options));
  refuseBrokenPromises(drifts, names);
  const log = await readStreamIdentity(connection, ordersStream);
  for (const drift of drifts) options.note(driftText(drift));
  const publisher = new Publisher(connection, { window: options.window });
  // First what may fail: a port that is taken leaves no worker behind.
  const api = names.includes("order") ? await startApi({ connection, publisher }, options) : undefined;
  const working = names.filter(isWorking);
  const { workers, redrivers } = startWorkers({ connection, publisher }, working, { ...options, log });
  return {
    serving: {
      services: [...names],
      broker: connection.server,
      brokerVersion: connection.version,
      instance: options.instance,
      url: api?.url ?? null,
      metricsUrl: null,
      spansTo: null,
      unknownSkuUnits: names.includes("inventory") ? unknownSkuUnits(options) : null,
      drifts,
    },
    problems: () =>
      [...workers, ...redrivers].flatMap(([consumer, { problems }]) =>
        problems.map((problem) => ({ consumer, ...problem })),
      ),
    counts: () => Object.fromEntries([...workers].map(([consumer, worker]) => [consumer, worker.counts])),
    async stop(deadlineMs) {
      await Promise.all(
        [api, ...workers.values(), ...redrivers.values()].map((part) => part?.stop(deadlineMs)),
      );
      publisher.close();
    },
  };
}

/** A service that worked all the same would lose orders, or do things twice, without a word. */
function refuseBrokenPromises(drifts: readonly Drift[], names: readonly RunnableName[]): void {
  const own = new Set(
    names
      .filter(isWorking)
      .flatMap(stationsOf)
      .flatMap(({ consumer }) => [consumer, redriverOf(consumer)]),
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

const unknownSkuUnits = ({ unknownSkus, defaultStock }: ServiceOptions): number =>
  unknownSkus === "refuse" ? 0 : defaultStock;

const isWorking = (name: RunnableName): name is ServiceName => name !== "order";

/** fastify is loaded only where the API runs. */
async function startApi(
  bench: Bench,
  { http, instance, note, maxLines, telemetry = noTelemetry }: ServiceOptions,
): Promise<Listening> {
  const { openOrderApi } = await import("../orders/api/order-api.ts");
  const orders = createOrderDesk({ ...bench, telemetry }, { service: "order", instance });
  const watchRequest = (request: TracedRequest) => telemetry.tracing?.request(request);
  return openOrderApi({ ...http, orders, watchRequest, note, maxLines });
}

function startWorkers(
  bench: Bench,
  names: readonly ServiceName[],
  options: ServiceOptions & { log: string },
): { workers: Map<string, Worker>; redrivers: Map<string, Worker> } {
  const { log, concurrency, instance, note, maxAttempts = defaultMaxAttempts } = options;
  const { telemetry = noTelemetry } = options;
  const store = createStockStore(
    bench.connection,
    new Bucket(bench.connection, bench.publisher, inventoryBucket),
  );
  const shelf = new StockShelf(store, { log, defaultStock: unknownSkuUnits(options) });
  const parts = { ...options, shelf, readPayment: paymentReader(bench.connection) };
  const workers = new Map<string, Worker>();
  const redrivers = new Map<string, Worker>();
  for (const service of names) {
    const breaker = options.breakers?.[service];
    const isPaused = breaker && (() => breaker.state() === "open");
    if (breaker) telemetry.metrics?.observeBreaker(breaker.name, () => breaker.state());
    for (const { consumer, consumes, only, handler } of stationsOf(service)) {
      const reports = createReports({ service, consumer, consumes }, telemetry, options.aheadUs);
      const process = processWith(handler(parts), { service, instance }, reports);
      const isIdle = only && ((payload: Uint8Array) => hasOtherStatus(consumes, payload, only));
      const deadLetters = deadLetterRule({ service, instance, consumer }, maxAttempts);
      const settings = { consumer, concurrency, ackWaitMs, note, isIdle, isPaused, deadLetters };
      workers.set(consumer, new Worker(bench, { ...settings, stream: ordersStream }, process));
      const place = { stream: redrivesStream, consumer: redriverOf(consumer) };
      const again = { ...settings, ...place, concurrency: redriveConcurrency };
      redrivers.set(
        again.consumer,
        new Worker(bench, again, processRedriven(bench.connection, consumes, process)),
      );
    }
  }
  return { workers, redrivers };
}
