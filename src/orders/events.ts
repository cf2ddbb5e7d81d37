/** The kinds of events that can be stored about an order, in the order in which they can happen. */
export const eventKinds = [
  "created",
  "payments",
  "reservations",
  "shipments",
  "refunds",
  "notifications",
] as const;

/** The kind of an event of an order. */
export type EventKind = (typeof eventKinds)[number];

/** One line of an order. `unitPriceMinor` is in minor units of the order's currency. */
export type OrderLine = { sku: string; quantity: number; unitPriceMinor: number };

/** An amount in minor units (cents, pence, yen) of an ISO 4217 currency. */
export type Money = { amountMinor: number; currency: string };

/** An order was placed: the first event of each. */
export type OrderCreated = {
  kind: "created";
  orderId: string;
  customerId: string;
  lines: OrderLine[];
  total: Money;
  /** Unix time in µs at which the caller made the order; `null` when the producer did not say. */
  createdAtUs: number | null;
};

/** The order was charged, or its payment declined. */
export type PaymentProcessed = {
  kind: "payments";
  orderId: string;
  status: "APPROVED" | "DECLINED";
  /** Why it was declined, as the gateway names it (`insufficient_funds`); empty when approved. */
  reason: string;
  /** The gateway's own id of the charge; empty when declined. */
  chargeId: string;
  total: Money;
  /** The order's lines, carried along so that inventory need not look the order up. */
  lines: OrderLine[];
};

/** All lines of the order were taken from stock, or none was. */
export type StockReserved = {
  kind: "reservations";
  orderId: string;
  status: "RESERVED" | "OUT_OF_STOCK";
  lines: OrderLine[];
  /** The SKUs that were short; empty when reserved. */
  missingSkus: string[];
  /** The amount and the charge of the payment; no refund is made if the payment in the log has another charge. */
  total: Money;
  chargeId: string;
};

/** The order is on its way. */
export type ShipmentBooked = {
  kind: "shipments";
  orderId: string;
  carrier: string;
  trackingId: string;
};

/** The charge was paid back, as stock was missing. */
export type PaymentRefunded = {
  kind: "refunds";
  orderId: string;
  chargeId: string;
  refundId: string;
  total: Money;
  reason: string;
};

/** The customer was told how the order ended: the last event of each. */
export type CustomerNotified = {
  kind: "notifications";
  orderId: string;
  type: "SHIPPED" | "DECLINED" | "REFUNDED";
  channel: string;
};

/** An event of an order. */
export type OrderEvent =
  | OrderCreated
  | PaymentProcessed
  | StockReserved
  | ShipmentBooked
  | PaymentRefunded
  | CustomerNotified;

/** The event of one kind. */
export type EventOf<K extends EventKind> = Extract<OrderEvent, { kind: K }>;
