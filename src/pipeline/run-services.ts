import type { PaymentGateway } from "../gateway/gateway.ts";
import { Bucket } from "../jetstream/bucket.ts";
import type { Connection } from "../jetstream/connection.ts";
import { Publisher } from "../jetstream/publisher.ts";
import { applyTopology, type Drift, readStreamIdentity } from "../jetstream/topology.ts";
import { Worker, type WorkerCounts } from "../jetstream/worker.ts";
import { ordersStream } from "../orders/subjects.ts";
import { type ServiceName, stationsOf } from "../services/registry.ts";
import { StockShelf } from "../services/stock-shelf.ts";
import { processWith } from "./process-event.ts";
import { createStockStore } from "./stock-store.ts";
import { ackWaitMs, inventoryBucket, orderTopology } from "./topology.ts";

export type ServiceOptions = {
  gateway: PaymentGateway;
  /** Units of a SKU that nobody has stocked. */
  defaultStock: number;
  carrier: string;
  channel: string;
  /** Deliveries in flight per worker. */
  concurrency: number;
  /** Publishes in flight for the whole process. */
  window: number;
  instance: string;
  replicas: number;
  note: (text: string) => void;
};

/** Services at work. `drifts` says where the broker's settings are not those of the topology. */
export type RunningServices = {
  drifts: Drift[];
  counts(): Record<string, WorkerCounts>;
  /** Drains within `deadlineMs`; what is left then is handed back. */
  stop(deadlineMs: number): Promise<void>;
};

/** Creates what is missing of the topology and starts a worker for each station of the named services. */
export async function runServices(
  connection: Connection,
  names: readonly ServiceName[],
  options: ServiceOptions,
): Promise<RunningServices> {
  const drifts = await applyTopology(connection, orderTopology(options));
  const publisher = new Publisher(connection, { window: options.window });
  const log = await readStreamIdentity(connection, ordersStream);
  const store = createStockStore(connection, new Bucket(connection, publisher, inventoryBucket));
  const parts = { ...options, shelf: new StockShelf(store, { log, defaultStock: options.defaultStock }) };
  const workers = new Map<string, Worker>();
  for (const service of names) {
    for (const { consumer, handler } of stationsOf(service)) {
      const { concurrency, instance, note } = options;
      const workerOptions = { stream: ordersStream, consumer, concurrency, ackWaitMs, note };
      const process = processWith(handler(parts), { service, instance });
      workers.set(consumer, new Worker({ connection, publisher }, workerOptions, process));
    }
  }
  return {
    drifts,
    counts: () => Object.fromEntries([...workers].map(([consumer, worker]) => [consumer, worker.counts])),
    async stop(deadlineMs) {
      await Promise.all([...workers.values()].map((worker) => worker.stop(deadlineMs)));
      publisher.close();
    },
  };
}
