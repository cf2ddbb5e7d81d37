import type { Place } from "../core/listening.ts";
import type { Note } from "../core/note.ts";
import type { FlowParts, Working } from "../flow/run-services.ts";
import { Bucket } from "../jetstream/streams/bucket.ts";
import type { Telemetry } from "../telemetry/telemetry.ts";
import type { TracedRequest } from "../telemetry/tracing/tracing.ts";
import type { Breaker } from "./gateway/breaker.ts";
import type { PaymentGateway } from "./gateway/gateway.ts";
import type { OwnNotification } from "./own-notification.ts";
import { paymentReader } from "./payment-reader.ts";
import type { UnknownSkus } from "./service-flags.ts";
import { createHandlers } from "./services/handlers.ts";
import { StockShelf } from "./stock/stock-shelf.ts";
import { createStockStore, inventoryBucket } from "./stock/stock-store.ts";

export type PartsOptions = {
  gateway: PaymentGateway;
  /** Circuit breaker around the gateway: while it is open, the payment workers pull no messages. */
  breaker?: Breaker | undefined;
  /** Units of a SKU that nobody has stocked, unless such SKUs are refused. */
  defaultStock: number;
  /** `stock` by default. */
  unknownSkus?: UnknownSkus;
  /** Most lines that the API accepts in an order; by default as many as an event can have. */
  maxLines?: number | undefined;
  carrier: string;
  channel: string;
  /** A user's code for notifications; by default the log alone says that a customer is told. */
  notification?: OwnNotification | undefined;
  instance: string;
  /** Where the order API listens. */
  http: Omit<Place, "flag">;
  telemetry?: Pick<Telemetry, "tracing" | "metrics">;
  note: Note;
};

/** The handlers of the order services, and the order API, which runs beside them. */
export function orderParts(options: PartsOptions): FlowParts {
  const { gateway, breaker, carrier, notification } = options;
  const { channel } = notification ?? options;
  return {
    handlers({ log, ...working }) {
      const { connection, publisher } = working;
      const store = createStockStore(working, new Bucket(connection, publisher, inventoryBucket));
      const shelf = new StockShelf(store, { log, defaultStock: unknownSkuUnits(options) });
      const readPayment = paymentReader(working);
      const tell = notification?.tell(working);
      return createHandlers({ gateway, shelf, carrier, channel, tell, readPayment });
    },
    breakers: {
      ...(breaker && { payment: breaker }),
      ...(notification && { notification: notification.breaker }),
    },
    ...(notification && ownSettings(notification)),
    server: { name: "order", open: (working) => startApi(working, options) },
    told: (names) => toldOf(names.includes("inventory") ? unknownSkuUnits(options) : null),
  };
}

const ownSettings = ({ concurrency, patienceMs, close }: OwnNotification): Partial<FlowParts> => ({
  concurrency: { notification: concurrency },
  patienceMs: { notification: patienceMs },
  close,
});

/** Units of a SKU that nobody has stocked: 0 if such SKUs are refused. */
const unknownSkuUnits = ({ unknownSkus, defaultStock }: PartsOptions): number =>
  unknownSkus === "refuse" ? 0 : defaultStock;

const toldOf = (unknownSkuUnits: number | null) => ({
  data: { unknownSkuUnits },
  text: unknownSkuUnits === null ? "" : unknownSkusText(unknownSkuUnits),
});

const unknownSkusText = (units: number): string =>
  units === 0
    ? "SKUs that nobody has stocked are out of stock"
    : `${units.toLocaleString("en")} units of each SKU that nobody has stocked`;

/** Imports fastify only in a process that serves the API. */
async function startApi(working: Working, { http, instance, note, maxLines, telemetry }: PartsOptions) {
  const { openOrderApi } = await import("./api/order-api.ts");
  const { createOrderStore } = await import("./api/log-order-store.ts");
  const orders = createOrderStore({ ...working, telemetry }, { service: "order", instance });
  const watchRequest = (request: TracedRequest) => telemetry?.tracing?.request(request);
  return openOrderApi({ ...http, orders, watchRequest, note, maxLines });
}
