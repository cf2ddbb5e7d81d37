import type { AuditReport, AuditScope, Auditor as FlowAuditor, Offender } from "../../flow/audit-contract.ts";
import type { OrderEvent, StockReserved } from "../events.ts";
import { parseSubject } from "../subjects.ts";
import { AmountsOwed } from "./amounts-owed.ts";
import {
  type AuditCounts,
  type AuditState,
  decodeState,
  encodeState,
  type KnownOrder,
  noCounts,
} from "./audit-state.ts";
import {
  fact,
  factsOfKind,
  isMet,
  isSettled,
  kindsIn,
  loggedFacts,
  stepOf,
  whatIsMissing,
} from "./order-facts.ts";
import type { AuditRule } from "./rules.ts";

/**
 * `stock`: units of each SKU that were ever stocked, if known; `withGateway`: everything that the gateway booked was
 * added.
 */
export type OrderAuditScope = AuditScope & { stock?: ReadonlyMap<string, number>; withGateway?: boolean };

/** `state` is that of an auditor to go on from. */
type AuditorOptions = { state?: Uint8Array | undefined; maxOffenders?: number; maxEnded?: number };

/**
 * Checks `auditRules` over a log whose events are added in log order. Keeps a few bytes per order and a counter per
 * SKU, no events; counts all violations and lists the first `maxOffenders`. Its state has at most `maxEnded` orders
 * that ended although an event is due of them. Throws `unavailable` for a state that it cannot read.
 */
export const createAuditor = (options: AuditorOptions = {}): Auditor => new Auditor(options);

export type { Auditor };

class Auditor implements FlowAuditor {
  readonly #facts = new Map<string, number>();
  /** Order id → broker time of creation in ms, for the orders not yet notified. */
  readonly #open = new Map<string, number>();
  readonly #owed = new AmountsOwed();
  readonly #reservedUnits = new Map<string, number>();
  readonly #maxOffenders: number;
  readonly #maxEnded: number;
  /** Whether orders were forgotten: then an unknown one may have ended before. */
  #goesOn = false;
  #counts: AuditCounts = noCounts();

  constructor({ state, maxOffenders = 100, maxEnded = 100_000 }: AuditorOptions) {
    this.#maxOffenders = maxOffenders;
    this.#maxEnded = maxEnded;
    if (state) this.#take(decodeState(state));
  }

  /** Per message: < 1 µs. */
  add(event: OrderEvent, sequence: number, storedAtMs: number): void {
    const { orderId, kind } = event;
    const known = this.#facts.get(orderId) ?? 0;
    this.#counts.events++;
    if ((known & factsOfKind[kind]) !== 0) {
      if (kind === "created") this.#counts.again.push([orderId, sequence]);
      else this.#offendTwice(orderId, kind, sequence);
      return;
    }
    const { gives, needs, rule, cause } = stepOf(event);
    this.#facts.set(orderId, known | gives);
    if (!isMet(known, needs)) {
      this.#offend(rule, {
        orderId,
        sequence,
        detail: `an event of kind ${kind} without ${cause} before it`,
      });
    }
    for (const detail of this.#owed.add(event))
      this.#offend("amount_mismatch", { orderId, sequence, detail });
    this.#tally(event, storedAtMs, known);
  }

  /** True if an event of this order was added and it was not forgotten since. */
  knows(orderId: string): boolean {
    return this.#facts.has(orderId);
  }

  /** Adds a charge or refund that the gateway booked. To be called after the whole log was added. */
  addBooked(operation: "charge" | "refund", orderId: string): void {
    const booked = operation === "charge" ? fact.charged : fact.repaid;
    const known = this.#facts.get(orderId) ?? 0;
    if ((known & booked) !== 0) this.#offend("charge_mismatch", { orderId, detail: `a second ${operation}` });
    this.#facts.set(orderId, known | booked);
  }

  /** A message of the log that could not be decoded. */
  addUnreadable(subject: string, reason: string, sequence: number): void {
    const orderId = parseSubject(subject)?.orderId ?? null;
    this.#offend("unreadable", { orderId, sequence, detail: reason });
  }

  addUnreadableStock(sku: string, reason: string): void {
    this.#offend("unreadable", { sku, detail: reason });
  }

  state(): Uint8Array {
    this.#forgetSettled();
    this.#goesOn = true;
    this.#mark(fact.carried);
    return encodeState({
      counts: this.#counts,
      reserved: [...this.#reservedUnits],
      known: [...this.#facts].map(([orderId, facts]) => this.#knownOf(orderId, facts)),
    });
  }

  *maybeRepeated(): Generator<string> {
    for (const [orderId] of this.#counts.again) yield orderId;
    if (!this.#goesOn) return;
    for (const [orderId, facts] of this.#facts) if (isNew(facts)) yield orderId;
  }

  addRepeats(orderIds: ReadonlySet<string>): void {
    const { again } = this.#counts;
    this.#counts.again = again.filter(([orderId]) => !orderIds.has(orderId));
    this.#counts.repeats += again.length - this.#counts.again.length;
    for (const orderId of this.#goesOn ? orderIds : []) {
      const facts = this.#facts.get(orderId) ?? 0;
      if (isNew(facts)) this.#addSecondLife(orderId, facts);
    }
  }

  judgeFromHere(): void {
    this.#mark(fact.earlier);
    this.#open.clear();
    this.#counts = noCounts();
  }

  /** Checks for events that are missing, and returns the report. Call once, after the last event and booking. */
  finish(scope: OrderAuditScope): AuditReport {
    for (const [orderId, sequence] of this.#counts.again) this.#offendTwice(orderId, "created", sequence);
    const underWay = this.#judgeOrders(scope);
    for (const [sku, stocked] of scope.stock ?? []) this.#judgeStock(sku, stocked);
    const { orders, events, outcomes, repeats, violations, offenders } = this.#counts;
    const offences = Object.values(violations).reduce((sum, count) => sum + count, 0);
    return {
      verdict: offences === 0 ? "PASS" : "FAIL",
      orders,
      ended: orders - this.#open.size,
      underWay,
      events,
      outcomes,
      repeats,
      violations,
      offences,
      offenders,
    };
  }

  /** Returns how many orders are too young to be judged. */
  #judgeOrders(scope: OrderAuditScope): number {
    const { givenUp, withGateway = false } = scope;
    let young = 0;
    for (const [orderId, facts] of this.#facts) {
      const age = this.#ageOf(orderId, facts, scope);
      if (age === "young") young++;
      else if (age !== "earlier") this.#judge(orderId, facts, givenUp?.get(orderId) ?? becauseOf[age]);
      if (withGateway && age === "ended") this.#judgeMoney(orderId, facts);
    }
    return young;
  }

  #ageOf(orderId: string, facts: number, scope: AuditScope): Age {
    return (facts & fact.earlier) === 0 ? ageOf(this.#open.get(orderId), scope) : "earlier";
  }

  /** `known`: the facts before the event. */
  #tally(event: OrderEvent, storedAtMs: number, known: number): void {
    const { orderId } = event;
    if (event.kind === "created") {
      this.#counts.orders++;
      if ((known & fact.earlier) !== 0) this.#facts.set(orderId, (known & ~fact.earlier) | fact.created);
      if ((known & fact.notified) === 0) this.#open.set(orderId, storedAtMs);
    } else if (event.kind === "reservations") {
      this.#tallyStock(event);
    } else if (event.kind === "notifications") {
      if ((known & fact.earlier) === 0) this.#counts.outcomes[event.type]++;
      this.#open.delete(orderId);
    }
  }

  #tallyStock({ status, lines }: StockReserved): void {
    if (status !== "RESERVED") return;
    for (const { sku, quantity } of lines) {
      this.#reservedUnits.set(sku, (this.#reservedUnits.get(sku) ?? 0) + quantity);
    }
  }

  #judge(orderId: string, facts: number, givenUp: string | undefined): void {
    const has = (wanted: number) => (facts & wanted) === wanted;
    const because = (detail: string) => ({ orderId, detail: givenUp ? `${detail}: ${givenUp}` : detail });
    if (has(fact.created) && !has(fact.notified)) {
      this.#offend("not_notified", because(whatIsMissing(facts)));
    }
    if (has(fact.reserved) && !has(fact.shipped)) {
      this.#offend("shipment_mismatch", because("stock was RESERVED and nothing shipped"));
    }
    if (has(fact.approved | fact.outOfStock) && !has(fact.refunded)) {
      this.#offend("refund_mismatch", because("paid, OUT_OF_STOCK, and not refunded"));
    }
  }

  /**
   * Compares the log with the gateway's bookings, for orders that have ended and for bookings without an order in the
   * log.
   */
  #judgeMoney(orderId: string, facts: number): void {
    const has = (wanted: number) => (facts & wanted) === wanted;
    const offend = (detail: string) => this.#offend("charge_mismatch", { orderId, detail });
    if (!has(fact.created)) offend("the gateway moved money for an order that is not in the log");
    else if (has(fact.approved) !== has(fact.charged)) {
      offend(has(fact.approved) ? "paid, and the gateway has no charge" : "charged, and not paid in the log");
    }
    if (has(fact.refunded) !== has(fact.repaid)) {
      offend(
        has(fact.refunded) ? "refunded, and the gateway has no refund" : "repaid, and no refund in the log",
      );
    }
  }

  #judgeStock(sku: string, stocked: number): void {
    const reserved = this.#reservedUnits.get(sku) ?? 0;
    if (reserved > stocked) {
      this.#offend("oversold", { sku, detail: `${reserved} units reserved, ${stocked} ever stocked` });
    }
  }

  #take({ counts, reserved, known }: AuditState): void {
    this.#goesOn = true;
    this.#counts = counts;
    for (const [sku, units] of reserved) this.#reservedUnits.set(sku, units);
    for (const { orderId, facts, createdAtMs, owed } of known) {
      this.#facts.set(orderId, facts | fact.carried);
      if (createdAtMs !== null) this.#open.set(orderId, createdAtMs);
      if (owed) this.#owed.take(orderId, owed);
    }
  }

  #mark(bit: number): void {
    for (const [orderId, facts] of this.#facts) this.#facts.set(orderId, facts | bit);
  }

  #knownOf(orderId: string, facts: number): KnownOrder {
    const createdAtMs = this.#open.get(orderId) ?? null;
    return { orderId, facts: loggedFacts(facts), createdAtMs, owed: this.#owed.of(orderId) };
  }

  /**
   * Nothing is left to judge of a settled order. One that ended although an event is due of it is kept, as that event
   * may still come; beyond `maxEnded` of them the oldest are judged now.
   */
  #forgetSettled(): void {
    const ended: string[] = [];
    for (const [orderId, facts] of this.#facts) {
      if (isSettled(facts)) this.#forget(orderId);
      else if ((facts & fact.notified) !== 0) ended.push(orderId);
    }
    for (const orderId of ended.slice(0, Math.max(0, ended.length - this.#maxEnded))) {
      this.#judge(orderId, this.#facts.get(orderId) ?? 0, undefined);
      this.#forget(orderId);
    }
  }

  #forget(orderId: string): void {
    this.#facts.delete(orderId);
    this.#open.delete(orderId);
    this.#owed.forget(orderId);
  }

  /** An order that had ended before was created again: nothing may follow from that. */
  #addSecondLife(orderId: string, facts: number): void {
    const followed = kindsIn(facts & ~fact.created);
    if (followed.length === 0) this.#counts.repeats++;
    else
      this.#offend("duplicate_event", {
        orderId,
        detail: `it had ended, was created again, and had a second event of kind ${followed.join(", ")}`,
      });
    this.#counts.orders--;
    this.#forget(orderId);
  }

  #offendTwice(orderId: string, kind: string, sequence: number): void {
    this.#offend("duplicate_event", { orderId, sequence, detail: `a second event of kind ${kind}` });
  }

  #offend(rule: AuditRule, found: Partial<Offender> & { detail: string }): void {
    this.#counts.violations[rule]++;
    if (this.#counts.offenders.length >= this.#maxOffenders) return;
    this.#counts.offenders.push({ rule, orderId: null, sku: null, sequence: null, ...found });
  }
}

/** True for the facts of an order that was created since the state was taken, and since orders are judged. */
const isNew = (facts: number): boolean =>
  (facts & (fact.created | fact.carried | fact.earlier)) === fact.created;

/** The clocks of a cluster's servers may differ by this much. */
const clockErrorMs = 2000;

type Age = "ended" | "young" | "old" | "unknown" | "earlier";

const becauseOf: Partial<Record<Age, string>> = {
  unknown: "stored later than it is now by the broker's clock, which was set back",
};

/**
 * `unknown` if the order was created later than `nowMs`: the broker's clock was set back, so the age cannot be
 * computed.
 */
function ageOf(createdAtMs: number | undefined, { nowMs, graceMs }: AuditScope): Age {
  if (createdAtMs === undefined) return "ended";
  const ageMs = nowMs - createdAtMs;
  if (ageMs < -Math.max(graceMs, clockErrorMs)) return "unknown";
  return ageMs < graceMs ? "young" : "old";
}
