import { type Handler, nothing } from "../../flow/handler.ts";
import type { OrderEvent, OrderLine, PaymentProcessed, StockReserved } from "../events.ts";
import type { StockShelf } from "../stock/stock-shelf.ts";

/** Reserves the lines of a paid order, all or none; an empty shelf is an outcome. */
export const reserveStock =
  (shelf: Pick<StockShelf, "take" | "settle">): Handler<OrderEvent> =>
  async (payment, context) => {
    const { sequence } = context;
    if (payment.kind !== "payments" || payment.status !== "APPROVED") return nothing;
    const taken = await shelf.take(sequence, unitsBySku(payment.lines));
    // Settled earlier, and only the answer's acknowledgement was lost: the log already has what was decided.
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
