import type { AuditReport, AuditScope, Auditor as FlowAuditor, Offender } from "../../flow/audit-contract.ts";
import type { OrderEvent, StockReserved } from "../events.ts";
import { parseSubject } from "../subjects.ts";
import { AmountsOwed } from "./amounts-owed.ts";
import { fact, factsOfKind, isMet, stepOf, whatIsMissing } from "./order-facts.ts";
import { type AuditRule, countedRules } from "./rules.ts";

/**
 * `stock`: units of each SKU that were ever stocked, if known; `withGateway`: everything that the gateway booked was
 * added.
 */
export type OrderAuditScope = AuditScope & { stock?: ReadonlyMap<string, number>; withGateway?: boolean };

/**
 * Checks `auditRules` over a log whose events are added in log order. Keeps a few bytes per order and a counter per
 * SKU, no events; counts all violations and lists the first `maxOffenders`.
 */
export const createAuditor = (options: { maxOffenders?: number } = {}): Auditor =>
  new Auditor(options.maxOffenders ?? 100);

export type { Auditor };

class Auditor implements FlowAuditor {
  readonly #facts = new Map<string, number>();
  /** Order id → broker time of creation in ms, for the orders not yet notified. */
  readonly #open = new Map<string, number>();
  readonly #owed = new AmountsOwed();
  readonly #reservedUnits = new Map<string, number>();
  readonly #violations = Object.fromEntries(countedRules.map((rule) => [rule, 0])) as Record<
    AuditRule,
    number
  >;
  readonly #outcomes = { SHIPPED: 0, DECLINED: 0, REFUNDED: 0 };
  readonly #offenders: Offender[] = [];
  readonly #maxOffenders: number;
  #events = 0;
  #orders = 0;

  constructor(maxOffenders: number) {
    this.#maxOffenders = maxOffenders;
  }

  /** Per message: < 1 µs. */
  add(event: OrderEvent, sequence: number, storedAtMs: number): void {
    const { orderId, kind } = event;
    const known = this.#facts.get(orderId) ?? 0;
    this.#events++;
    if ((known & factsOfKind[kind]) !== 0) {
      this.#offend("duplicate_event", { orderId, sequence, detail: `a second event of kind ${kind}` });
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
    this.#tally(event, storedAtMs);
  }

  /** True if the log has an event of this order. */
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

  /** Checks for events that are missing, and returns the report. Call once, after the last event and booking. */
  finish(scope: OrderAuditScope): AuditReport {
    const { stock = new Map(), givenUp, withGateway = false } = scope;
    let underWay = 0;
    for (const [orderId, facts] of this.#facts) {
      const age = ageOf(this.#open.get(orderId), scope);
      if (age === "young") underWay++;
      else this.#judge(orderId, facts, givenUp?.get(orderId) ?? becauseOf[age]);
      if (withGateway && age === "ended") this.#judgeMoney(orderId, facts);
    }
    for (const [sku, stocked] of stock) this.#judgeStock(sku, stocked);
    const offences = Object.values(this.#violations).reduce((sum, count) => sum + count, 0);
    return {
      verdict: offences === 0 ? "PASS" : "FAIL",
      orders: this.#orders,
      ended: this.#orders - this.#open.size,
      underWay,
      events: this.#events,
      outcomes: { ...this.#outcomes },
      violations: { ...this.#violations },
      offences,
      offenders: [...this.#offenders],
    };
  }

  #tally(event: OrderEvent, storedAtMs: number): void {
    if (event.kind === "created") {
      this.#orders++;
      const facts = this.#facts.get(event.orderId) ?? 0;
      if ((facts & fact.notified) === 0) this.#open.set(event.orderId, storedAtMs);
    } else if (event.kind === "reservations") {
      this.#tallyStock(event);
    } else if (event.kind === "notifications") {
      this.#outcomes[event.type]++;
      this.#open.delete(event.orderId);
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

  #offend(rule: AuditRule, found: Partial<Offender> & { detail: string }): void {
    this.#violations[rule]++;
    if (this.#offenders.length >= this.#maxOffenders) return;
    this.#offenders.push({ rule, orderId: null, sku: null, sequence: null, ...found });
  }
}

/** The clocks of a cluster's servers may differ by this much. */
const clockErrorMs = 2000;

type Age = "ended" | "young" | "old" | "unknown";

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
