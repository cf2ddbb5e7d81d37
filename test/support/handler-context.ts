import type { HandlerContext } from "../../src/flow/handler.ts";
import type { OrderCreated, OrderEvent, PaymentProcessed, StockReserved } from "../../src/orders/events.ts";

const lines = [
  { sku: "MUG", quantity: 2, unitPriceMinor: 500 },
  { sku: "TRAY", quantity: 1, unitPriceMinor: 999 },
  { sku: "MUG", quantity: 1, unitPriceMinor: 500 },
];
const total = { amountMinor: 2499, currency: "GBP" };

export const created: OrderCreated = {
  kind: "created",
  orderId: "o-1",
  customerId: "c-1",
  lines,
  total,
  createdAtUs: 1,
};

export const approved: PaymentProcessed = {
  kind: "payments",
  orderId: "o-1",
  status: "APPROVED",
  reason: "",
  chargeId: "ch_1",
  total,
  lines,
};

export const declined: PaymentProcessed = {
  ...approved,
  status: "DECLINED",
  reason: "insufficient_funds",
  chargeId: "",
};

export const reserved: StockReserved = {
  kind: "reservations",
  orderId: "o-1",
  status: "RESERVED",
  lines,
  missingSkus: [],
  total,
  chargeId: "ch_1",
};

export const outOfStock: StockReserved = { ...reserved, status: "OUT_OF_STOCK", missingSkus: ["TRAY"] };

/** A context for one delivery; `tell` does what the worker does after storing. */
export function contextOf(sequence = 1): HandlerContext<OrderEvent> & { tell(stored: OrderEvent): void } {
  let callback: (stored: OrderEvent) => void = () => {};
  return {
    sequence,
    attempt: 1,
    signal: new AbortController().signal,
    watchCall: () => ({ end: () => {} }),
    watchHold: () => () => {},
    onStored: (told) => {
      callback = told;
    },
    tell: (stored) => callback(stored),
  };
}
