import { isoTime } from "../core/iso-time.ts";
import { causesOf } from "../orders/causes.ts";
import type { EventKind, Money, OrderEvent } from "../orders/events.ts";
import { formatMoney } from "../orders/money.ts";
import { foldOrder, type OrderState } from "../orders/order-state.ts";
import { describeOutcome, type Outcome } from "./event-outcome.ts";
import { divideHop, type HopTimes } from "./hop-times.ts";
import type { LoggedEvent } from "./order-log.ts";

/** One stored event of an order and how it came about. Unknown is `null`: other programs write no hop header. */
export type TimelineHop = Outcome &
  HopTimes & {
    kind: EventKind;
    sequence: number;
    /** The event it followed from: what its hop header says, else the one its kind follows from. */
    causeSequence: number | null;
    service: string | null;
    instance: string | null;
    /** Which delivery of the causing event it took. */
    attempt: number | null;
    /** The circuit breaker that held it; `null` where none did. */
    heldBy: string | null;
    storedAt: string;
    /** From the start of the order until this was stored. */
    offsetMs: number;
  };

/** An order's way through the log. `text` of the total is for people: `GBP 15.30`. */
export type OrderTimeline = Pick<
  OrderState,
  "orderId" | "status" | "outcome" | "ended" | "waitingFor" | "since"
> & {
  startedAt: string;
  /** From the first event stored to the last one stored; until now where the order has not ended. */
  totalMs: number;
  /** Since the last event was stored; `null` once the order ended. */
  waitingMs: number | null;
  total: (Money & { text: string }) | null;
  hops: TimelineHop[];
};

/** The timeline of one order from all that is stored of it, as of `nowUs`. Throws `not_found` when that is nothing. */
export function buildTimeline(logged: readonly LoggedEvent[], nowUs: number): OrderTimeline {
  const { orderId, status, outcome, ended, waitingFor, since } = foldOrder(logged);
  const storedAtUs = logged.map((stored) => stored.storedAtUs);
  const startUs = Math.min(...storedAtUs);
  const lastUs = Math.max(...storedAtUs);
  const waitingMs = ended ? null : Math.max(0, nowUs - lastUs) / 1000;
  return {
    orderId,
    status,
    outcome,
    ended,
    waitingFor,
    since,
    startedAt: isoTime(startUs),
    totalMs: (lastUs - startUs) / 1000 + (waitingMs ?? 0),
    waitingMs,
    total: totalOf(logged.map(({ event }) => event)),
    hops: logged.map((stored) => buildHop(stored, { logged, startUs })),
  };
}

function buildHop(
  { event, sequence, storedAtUs, hop }: LoggedEvent,
  { logged, startUs }: { logged: readonly LoggedEvent[]; startUs: number },
): TimelineHop {
  const cause = causeOf({ event, hop }, logged);
  return {
    kind: event.kind,
    ...describeOutcome(event),
    sequence,
    causeSequence: cause?.sequence ?? hop?.causeSequence ?? null,
    service: hop?.service ?? null,
    instance: hop?.instance ?? null,
    attempt: hop?.attempt ?? null,
    heldBy: hop?.holds ? [...new Set(hop.holds.map(({ breaker }) => breaker))].join(", ") : null,
    storedAt: isoTime(storedAtUs),
    offsetMs: (storedAtUs - startUs) / 1000,
    ...divideHop(cause?.storedAtUs, storedAtUs, hop),
  };
}

function causeOf(
  { event, hop }: Pick<LoggedEvent, "event" | "hop">,
  logged: readonly LoggedEvent[],
): LoggedEvent | undefined {
  const told = logged.find(({ sequence }) => sequence === hop?.causeSequence);
  if (told) return told;
  const kinds = logged.map((stored) => stored.event.kind);
  const nearest = causesOf[event.kind].find((kind) => kinds.includes(kind));
  return logged.find((stored) => stored.event.kind === nearest);
}

function totalOf(events: readonly OrderEvent[]): OrderTimeline["total"] {
  const money = events.map((event) => ("total" in event ? event.total : undefined)).find(Boolean);
  return money ? { ...money, text: formatMoney(money) } : null;
}
