import type { EventKind, OrderCreated, OrderEvent } from "../orders/events.ts";
import { formatMoney } from "../orders/money.ts";

/** What an event says, in the contract's word (`OUT_OF_STOCK`), with the one thing worth adding (`SKU-0007`). */
export type Outcome = {
  outcome: string;
  detail: string | null;
  /** True where the business said no. */
  refused: boolean;
};

/** Events as people name them. */
export const eventNames: Record<EventKind, string> = {
  created: "created",
  payments: "payment",
  reservations: "reservation",
  shipments: "shipment",
  refunds: "refund",
  notifications: "notification",
};

/** An outcome in one phrase: `SHIPPED by post`. */
export function outcomeText({ kind, outcome, detail }: Outcome & { kind: EventKind }): string {
  if (kind === "created") return detail ?? "";
  if (detail === null) return outcome;
  return kind === "shipments" || kind === "notifications"
    ? `${outcome} by ${detail}`
    : `${outcome} ${detail}`;
}

export function describeOutcome(event: OrderEvent): Outcome {
  switch (event.kind) {
    case "created":
      return said("CREATED", [...linesOf(event), formatMoney(event.total)].join(", "));
    case "payments":
      return { ...said(event.status, event.reason), refused: event.status === "DECLINED" };
    case "reservations":
      return {
        ...said(event.status, firstOf(event.missingSkus)),
        refused: event.status === "OUT_OF_STOCK",
      };
    case "shipments":
      return said("SHIPPED", event.carrier);
    case "refunds":
      return said("REFUNDED", formatMoney(event.total));
    case "notifications":
      return said(event.type, event.channel);
  }
}

const said = (outcome: string, detail: string): Outcome => ({
  outcome,
  detail: detail === "" ? null : detail,
  refused: false,
});

const linesOf = ({ lines: { length } }: OrderCreated): string[] =>
  length === 0 ? [] : [length === 1 ? "1 line" : `${length} lines`];

const firstOf = ([first = "", ...more]: readonly string[]): string =>
  more.length === 0 ? first : `${first} +${more.length}`;
