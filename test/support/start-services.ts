import { followArchive } from "../../src/archive/archived-keys.ts";
import { type RunningServices, runServices, type ServiceOptions } from "../../src/flow/run-services.ts";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { createRetryingGateway } from "../../src/orders/gateway/retrying-gateway.ts";
import { createSimulatedGateway } from "../../src/orders/gateway/simulated-gateway.ts";
import { orderParts, type PartsOptions } from "../../src/orders/service-parts.ts";
import { orderLog } from "./order-log.ts";

type Options = Omit<ServiceOptions, "parts" | "followArchive"> & PartsOptions;

const defaults: Options = {
  gateway: createRetryingGateway(createSimulatedGateway({ seed: 1, declineShare: 0, latencyMs: 0 }), {
    attempts: 3,
    backoffMs: 10,
  }),
  defaultStock: 1000,
  carrier: "parcel",
  channel: "email",
  concurrency: 16,
  window: 64,
  instance: "box-1",
  replicas: 1,
  http: { host: "127.0.0.1", port: 0 },
  note: () => {},
};

/** Real services in the test's process; by default nothing is declined and there is enough of everything. */
export function startServices(
  connection: Connection,
  names: readonly string[] = ["payment", "inventory", "shipping", "notification"],
  given: Partial<Options> = {},
): Promise<RunningServices> {
  const options = { ...defaults, ...given };
  const { note } = options;
  return runServices(orderLog(connection), names, {
    ...options,
    parts: orderParts(options),
    followArchive: (log, as) => followArchive(log, { env: process.env, note, ...as }),
  });
}
