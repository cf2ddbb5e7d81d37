import type { OrderEvent } from "../events.ts";
import { orderShape } from "../flow.ts";
import type { AuditRule } from "./rules.ts";

/**
 * One bit for each kind of event and its status, so that the facts about a million orders fit in a map of small
 * integers.
 */
const bits = new Map<string, number>();
for (const kind of orderShape.kinds) {
  const statuses = orderShape.statusesOf(kind);
  for (const status of statuses.length > 0 ? statuses : [""]) bits.set(`${kind} ${status}`, 2 ** bits.size);
}

const bitOf = (kind: string, status = ""): number => bits.get(`${kind} ${status}`) ?? 0;

export const fact = {
  created: bitOf("created"),
  approved: bitOf("payments", "APPROVED"),
  declined: bitOf("payments", "DECLINED"),
  reserved: bitOf("reservations", "RESERVED"),
  outOfStock: bitOf("reservations", "OUT_OF_STOCK"),
  shipped: bitOf("shipments"),
  refunded: bitOf("refunds"),
  notified: bitOf("notifications"),
  /** `charged` and `repaid`: a charge or a refund that the gateway has booked. */
  charged: 2 ** bits.size,
  repaid: 2 ** (bits.size + 1),
} as const;

/** What an order without a notification is waiting for. */
export function whatIsMissing(facts: number): string {
  const hasAny = (wanted: number) => (facts & wanted) !== 0;
  if (hasAny(fact.shipped | fact.refunded | fact.declined))
    return "the customer was never told how the order ended";
  if (hasAny(fact.reserved)) return "reserved, and waiting for shipping";
  if (hasAny(fact.outOfStock)) return "out of stock, and waiting for the refund";
  return hasAny(fact.approved) ? "paid, and waiting for inventory" : "waiting for payment";
}

/**
 * The fact that an event establishes, the facts it needs before it, the rule it breaks without them, and their name in
 * the message (`cause`).
 */
export type Step = { gives: number; needs: number; rule: AuditRule; cause: string };

type Needed = Omit<Step, "gives">;

/** Kinds for which the audit demands more than the event that they follow from, or names another rule. */
const promised: Readonly<Record<string, Needed>> = {
  shipments: { needs: fact.reserved, rule: "shipment_mismatch", cause: "RESERVED stock" },
  refunds: {
    needs: fact.approved | fact.outOfStock,
    rule: "refund_mismatch",
    cause: "an APPROVED payment that met OUT_OF_STOCK",
  },
  "notifications SHIPPED": { needs: fact.shipped, rule: "missing_cause", cause: "a shipment" },
  "notifications DECLINED": { needs: fact.declined, rule: "missing_cause", cause: "a DECLINED payment" },
  "notifications REFUNDED": { needs: fact.refunded, rule: "missing_cause", cause: "a refund" },
};

/** Needs the event that a kind follows from, if it follows from one only; nothing otherwise. */
function causeOf(kind: string): Needed {
  const [from, ...others] = orderShape.subscriptions.filter(({ emits }) => emits === kind);
  if (!from || others.length > 0) return { needs: 0, rule: "missing_cause", cause: "" };
  const { on, when } = from;
  const label = on === orderShape.firstKind ? `${orderShape.labelOf(on)} order` : orderShape.labelOf(on);
  const cause = when === undefined ? label : `${when} ${label}`;
  return {
    needs: bitOf(on, when),
    rule: "missing_cause",
    cause: `${/^[AEIOU]/i.test(cause) ? "an" : "a"} ${cause}`,
  };
}

/** Cache of `stepOf`, by kind, or by kind and status for an event that has one. */
const steps = new Map<string, Step>();

/** Hot path: a step is computed once for each kind and status. */
export function stepOf(event: OrderEvent): Step {
  const status = "status" in event ? event.status : "type" in event ? event.type : "";
  const name = status === "" ? event.kind : `${event.kind} ${status}`;
  const known = steps.get(name);
  if (known) return known;
  const gives = bitOf(event.kind, "status" in event ? event.status : "");
  const step = { gives, ...(promised[name] ?? causeOf(event.kind)) };
  steps.set(name, step);
  return step;
}

/** For each kind, the facts that its events establish: an order may have one of them only. */
export const factsOfKind: Readonly<Record<string, number>> = Object.fromEntries(
  orderShape.kinds.map((kind) => [
    kind,
    [bitOf(kind), ...orderShape.statusesOf(kind).map((status) => bitOf(kind, status))].reduce(
      (a, b) => a | b,
    ),
  ]),
);
