import { type Handler, nothing } from "../../flow/handler.ts";
import type { OrderEvent, OrderLine, PaymentProcessed, StockReserved } from "../events.ts";
import type { StockShelf } from "../stock/stock-shelf.ts";

/** Reserves all lines of a paid order or none; missing stock is an outcome (OUT_OF_STOCK), not an error. */
export const reserveStock =
  (shelf: Pick<StockShelf, "take" | "settle">): Handler<OrderEvent> =>
  async (payment, context) => {
    const { sequence } = context;
    if (payment.kind !== "payments" || payment.status !== "APPROVED") return nothing;
    const taken = await shelf.take(sequence, unitsBySku(payment.lines));
    // The log already has the reservation: an earlier delivery stored it, but was not acknowledged.
    if (taken === "settled") return nothing;
    context.onStored((stored) => {
      if (stored.kind === "reservations") shelf.settle(sequence, stored.status === "RESERVED");
    });
    return reservation(payment, taken.missing);
  };

function reservation(payment: PaymentProcessed, missingSkus: string[]): StockReserved {
  const { orderId, lines, total, chargeId } = payment;
  const status = missingSkus.length === 0 ? "RESERVED" : "OUT_OF_STOCK";
  return { kind: "reservations", orderId, status, lines, missingSkus, total, chargeId };
}

function unitsBySku(lines: readonly OrderLine[]): Map<string, number> {
  const units = new Map<string, number>();
  for (const { sku, quantity } of lines) units.set(sku, (units.get(sku) ?? 0) + quantity);
  return units;
}
