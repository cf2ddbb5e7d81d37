import type { EventKind, OrderEvent } from "../events.ts";
import { orderShape } from "../flow.ts";
import type { AuditRule } from "./rules.ts";

/** What can be known about an order, one bit for each kind of event and its status, so that a million orders fit in a map of small integers. */
const bits = new Map<string, number>();
for (const kind of orderShape.kinds) {
  const statuses = orderShape.statusesOf(kind);
  for (const status of statuses.length > 0 ? statuses : [""]) bits.set(`${kind} ${status}`, 2 ** bits.size);
}

/** Of a kind without statuses, or of one status of a kind. Throws for what the table does not have. */
function bitOf(kind: string, status = ""): number {
  const bit = bits.get(`${kind} ${status}`);
  if (bit === undefined) throw new Error(`the flow of orders has no ${kind} ${status}`);
  return bit;
}

export const fact = {
  created: bitOf("created"),
  approved: bitOf("payments", "APPROVED"),
  declined: bitOf("payments", "DECLINED"),
  reserved: bitOf("reservations", "RESERVED"),
  outOfStock: bitOf("reservations", "OUT_OF_STOCK"),
  shipped: bitOf("shipments"),
  refunded: bitOf("refunds"),
  notified: bitOf("notifications"),
  /** Booked by the gateway. */
  charged: 2 ** bits.size,
  repaid: 2 ** (bits.size + 1),
} as const;

/** Of an order whose customer was not told how it ended: what it waits for. */
export function whatIsMissing(facts: number): string {
  const hasAny = (wanted: number) => (facts & wanted) !== 0;
  if (hasAny(fact.shipped | fact.refunded | fact.declined))
    return "the customer was never told how the order ended";
  if (hasAny(fact.reserved)) return "reserved, and waiting for shipping";
  if (hasAny(fact.outOfStock)) return "out of stock, and waiting for the refund";
  return hasAny(fact.approved) ? "paid, and waiting for inventory" : "waiting for payment";
}

/** The facts that only one event of a kind may establish. */
export const factsOfKind = Object.fromEntries(
  orderShape.kinds.map((kind) => {
    const statuses = orderShape.statusesOf(kind);
    const own = statuses.length > 0 ? statuses.map((status) => bitOf(kind, status)) : [bitOf(kind)];
    return [kind, own.reduce((facts, bit) => facts | bit, 0)];
  }),
) as Record<EventKind, number>;

/** The fact an event establishes, those of which it needs one whole set before it, and the rule it breaks without them. */
export type Step = { gives: number; needs: readonly number[]; rule: AuditRule; cause: string };

type Needed = Omit<Step, "gives">;

/** What more is promised of a kind than that the event is there which it follows from. */
const promised: Readonly<Record<string, Needed>> = {
  shipments: { needs: [fact.reserved], rule: "shipment_mismatch", cause: "RESERVED stock" },
  refunds: {
    needs: [fact.approved | fact.outOfStock],
    rule: "refund_mismatch",
    cause: "an APPROVED payment that met OUT_OF_STOCK",
  },
  "notifications SHIPPED": { needs: [fact.shipped], rule: "missing_cause", cause: "a shipment" },
  "notifications DECLINED": { needs: [fact.declined], rule: "missing_cause", cause: "a DECLINED payment" },
  "notifications REFUNDED": { needs: [fact.refunded], rule: "missing_cause", cause: "a refund" },
};

/** Any of the events that a kind may follow from; the first kind needs none. */
function causeOf(kind: string): Needed {
  const from = orderShape.subscriptions.filter(({ emits }) => emits === kind);
  const needs = from.flatMap(({ on, when }) => {
    if (when !== undefined) return [bitOf(on, when)];
    const statuses = orderShape.statusesOf(on);
    return statuses.length > 0 ? statuses.map((status) => bitOf(on, status)) : [bitOf(on)];
  });
  return { needs, rule: "missing_cause", cause: from.map(nameOf).join(" or ") };
}

function nameOf({ on, when }: { on: string; when?: string | undefined }): string {
  const label = on === orderShape.firstKind ? `${orderShape.labelOf(on)} order` : orderShape.labelOf(on);
  const name = when === undefined ? label : `${when} ${label}`;
  return `${/^[AEIOU]/i.test(name) ? "an" : "a"} ${name}`;
}

/** By kind, then by status. */
const steps = new Map<string, Map<string, Step>>();

/** Hot path: worked out once for each kind and status, then looked up: < 20 ns. */
export function stepOf(event: OrderEvent): Step {
  const status = "status" in event ? event.status : "type" in event ? event.type : "";
  return steps.get(event.kind)?.get(status) ?? newStep(event.kind, status);
}

function newStep(kind: EventKind, status: string): Step {
  const gives = bitOf(kind, orderShape.statusesOf(kind).includes(status) ? status : "");
  const step = { gives, ...(promised[`${kind} ${status}`] ?? promised[kind] ?? causeOf(kind)) };
  const ofKind = steps.get(kind) ?? new Map<string, Step>();
  steps.set(kind, ofKind.set(status, step));
  return step;
}

/** Whether one of the sets is known whole. */
export const isMet = (known: number, needs: readonly number[]): boolean =>
  needs.length === 0 || needs.some((facts) => (known & facts) === facts);
