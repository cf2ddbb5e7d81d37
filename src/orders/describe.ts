import type { Outcome, Total } from "../flow/flow.ts";
import type { OrderCreated, OrderEvent } from "./events.ts";
import { formatMoney } from "./money.ts";

/** An outcome in one phrase: `SHIPPED by post`. */
export function phraseOf(kind: string, { outcome, detail }: Outcome): string {
  if (kind === "created") return detail ?? "";
  if (detail === null) return outcome;
  return kind === "shipments" || kind === "notifications"
    ? `${outcome} by ${detail}`
    : `${outcome} ${detail}`;
}

export function describeEvent(event: OrderEvent): Outcome {
  switch (event.kind) {
    case "created":
      return said("CREATED", [...linesOf(event), formatMoney(event.total)].join(", "));
    case "payments":
      return said(event.status, event.reason);
    case "reservations":
      return said(event.status, firstOf(event.missingSkus));
    case "shipments":
      return said("SHIPPED", event.carrier);
    case "refunds":
      return said("REFUNDED", formatMoney(event.total));
    case "notifications":
      return said(event.type, event.channel);
  }
}

export function totalOf(event: OrderEvent): Total | undefined {
  return "total" in event ? { ...event.total, text: formatMoney(event.total) } : undefined;
}

const said = (outcome: string, detail: string): Outcome => ({
  outcome,
  detail: detail === "" ? null : detail,
});

const linesOf = ({ lines: { length } }: OrderCreated): string[] =>
  length === 0 ? [] : [length === 1 ? "1 line" : `${length} lines`];

const firstOf = ([first = "", ...more]: readonly string[]): string =>
  more.length === 0 ? first : `${first} +${more.length}`;
