import type { EventKind, OrderEvent } from "../events.ts";
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
  /** `charged` and `repaid`: a charge or a refund that the gateway has booked. */
  charged: 2 ** bits.size,
  repaid: 2 ** (bits.size + 1),
  /** What is known of the order began before the audit's state was taken. */
  carried: 2 ** (bits.size + 2),
  /** The order began before the time from which on orders are judged. */
  earlier: 2 ** (bits.size + 3),
} as const;

/** The facts that events establish, by name, in the order of their bits. */
export const factNames: readonly string[] = [...bits.keys()];

/** The facts of the log among those known. */
export const loggedFacts = (known: number): number => known & (2 ** bits.size - 1);

/** What an order without a notification is waiting for. */
export function whatIsMissing(facts: number): string {
  const hasAny = (wanted: number) => (facts & wanted) !== 0;
  if (hasAny(fact.shipped | fact.refunded | fact.declined))
    return "the customer was never told how the order ended";
  if (hasAny(fact.reserved)) return "reserved, and waiting for shipping";
  if (hasAny(fact.outOfStock)) return "out of stock, and waiting for the refund";
  return hasAny(fact.approved) ? "paid, and waiting for inventory" : "waiting for payment";
}

/** For each kind, the facts that its events establish: an order may have one of them only. */
export const factsOfKind = Object.fromEntries(
  orderShape.kinds.map((kind) => {
    const statuses = orderShape.statusesOf(kind);
    const own = statuses.length > 0 ? statuses.map((status) => bitOf(kind, status)) : [bitOf(kind)];
    return [kind, own.reduce((facts, bit) => facts | bit, 0)];
  }),
) as Record<EventKind, number>;

/** The kinds of which events are among the facts. */
export const kindsIn = (facts: number): EventKind[] =>
  orderShape.kinds.filter((kind): kind is EventKind => (facts & factsOfKind[kind as EventKind]) !== 0);

/**
 * The fact that an event establishes; the sets of facts of which one has to be known before it (`needs`); the rule that
 * it breaks without, and the name of what is missing in the message (`cause`).
 */
export type Step = { gives: number; needs: readonly number[]; rule: AuditRule; cause: string };

type Needed = Omit<Step, "gives">;

/** Kinds for which the audit demands more than the event that they follow from, or names another rule. */
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

/** Needs any one of the events that a kind may follow from; nothing for the first kind. */
function causeOf(kind: string): Needed {
  const from = orderShape.subscriptions.filter(({ emits }) => emits.includes(kind));
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

/** Cache of `stepOf`, by kind, then by status. */
const steps = new Map<string, Map<string, Step>>();

/** Hot path: a step is computed once for each kind and status. */
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

/** True if all facts of one of the sets are known, or nothing is needed. */
export const isMet = (known: number, needs: readonly number[]): boolean =>
  needs.length === 0 || needs.some((facts) => (known & facts) === facts);

const settled = new Map<number, boolean>();

/**
 * True for an order that ended and of which no event is due: whatever comes for it now is a second event, or one
 * without its cause.
 */
export function isSettled(facts: number): boolean {
  const logged = loggedFacts(facts);
  const known = settled.get(logged);
  if (known !== undefined) return known;
  const there = kindsIn(logged);
  const missing = orderShape.kinds.filter((kind) => !there.some((each) => each === kind));
  const isDue = (kind: string) => isMet(logged, (promised[kind] ?? causeOf(kind)).needs);
  const isOver = (logged & fact.notified) !== 0 && !missing.some(isDue);
  settled.set(logged, isOver);
  return isOver;
}
