import { isoTime } from "../core/units.ts";
import type { Hop } from "../telemetry/hop.ts";
import type { Flow, Outcome, Total } from "./flow.ts";
import type { LoggedEvent } from "./key-log.ts";
import { foldKey, type KeyState } from "./key-state.ts";

/** One stored event of an order and how it came about. `null` means unknown: other programs write no hop header. */
export type TimelineHop = Outcome &
  HopTimes & {
    kind: string;
    /** True for a business refusal, such as a declined payment. */
    refused: boolean;
    sequence: number;
    /**
     * The sequence of the causing event: from the hop header, else the stored event of the nearest kind that can cause
     * this one.
     */
    causeSequence: number | null;
    service: string | null;
    instance: string | null;
    /** Which delivery of the causing event led to this one. */
    attempt: number | null;
    /** The circuit breakers that held the delivery; `null` when none did. */
    heldBy: string | null;
    storedAt: string;
    /** From the order's first stored event until this event was stored. */
    offsetMs: number;
  };

/** The course of one order through the log. `total.text` is for people: `GBP 15.30`. */
export type OrderTimeline = Pick<KeyState, "status" | "outcome" | "ended" | "waitingFor" | "since"> & {
  orderId: string;
  startedAt: string;
  /** From the first stored event to the last; until now while the order has not ended. */
  totalMs: number;
  /** Since the last event was stored; `null` once the order ended. */
  waitingMs: number | null;
  total: Total | null;
  hops: TimelineHop[];
};

/**
 * Builds the timeline of one order from all its stored events, as of `nowUs`. Throws `not_found` when there are none.
 */
export function buildTimeline(flow: Flow, logged: readonly LoggedEvent[], nowUs: number): OrderTimeline {
  const { key, status, outcome, ended, waitingFor, since } = foldKey(flow, logged);
  const storedAtUs = logged.map((stored) => stored.storedAtUs);
  const startUs = Math.min(...storedAtUs);
  const lastUs = Math.max(...storedAtUs);
  const waitingMs = ended ? null : Math.max(0, nowUs - lastUs) / 1000;
  return {
    orderId: key,
    status,
    outcome,
    ended,
    waitingFor,
    since,
    startedAt: isoTime(startUs),
    totalMs: (lastUs - startUs) / 1000 + (waitingMs ?? 0),
    waitingMs,
    total: logged.map(({ event }) => flow.totalOf(event)).find(Boolean) ?? null,
    hops: logged.map((stored) => buildHop(flow, stored, { logged, startUs })),
  };
}

function buildHop(
  flow: Flow,
  { kind, event, sequence, storedAtUs, hop }: LoggedEvent,
  { logged, startUs }: { logged: readonly LoggedEvent[]; startUs: number },
): TimelineHop {
  const cause = causeOf(flow, { kind, hop }, logged);
  const { outcome, detail } = flow.describe(event);
  return {
    kind,
    outcome,
    detail,
    refused: flow.isRefusal(kind, outcome),
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
  flow: Flow,
  { kind, hop }: Pick<LoggedEvent, "kind" | "hop">,
  logged: readonly LoggedEvent[],
): LoggedEvent | undefined {
  const told = logged.find(({ sequence }) => sequence === hop?.causeSequence);
  if (told) return told;
  const kinds = logged.map((stored) => stored.kind);
  const nearest = flow.causesOf(kind).find((cause) => kinds.includes(cause));
  return logged.find((stored) => stored.kind === nearest);
}

/**
 * How the time between a stored event and its cause divides: `waitedMs` in the stream (including earlier failed
 * deliveries), `workedMs` in the handler, `heldMs` in the handler behind an open circuit breaker, `storingMs` until the
 * broker had stored the outcome. None is negative, and they add up to `elapsedMs`, which the broker's clock alone
 * measures.
 */
export type HopTimes = {
  elapsedMs: number | null;
  waitedMs: number | null;
  workedMs: number | null;
  heldMs: number | null;
  storingMs: number | null;
  /**
   * How far the worker's times were shifted to fit between the broker's: the least difference of the two clocks,
   * negative when the worker's clock is ahead. 0 when they agree; `null` when no worker's time is known.
   */
  clockSkewMs: number | null;
};

const unknown: HopTimes = {
  elapsedMs: null,
  waitedMs: null,
  workedMs: null,
  heldMs: null,
  storingMs: null,
  clockSkewMs: null,
};

/** Divides the time from the storing of the cause to the storing of the event. Arguments are Unix µs. */
export function divideHop(
  causeStoredAtUs: number | undefined,
  storedAtUs: number,
  hop: Hop | undefined,
): HopTimes {
  if (causeStoredAtUs === undefined) return unknown;
  const elapsed = Math.max(0, storedAtUs - causeStoredAtUs);
  if (!hop) return { ...unknown, elapsedMs: elapsed / 1000 };
  const handled = clamp(hop.finishedAtUs - hop.receivedAtUs, elapsed);
  const held = clamp(
    (hop.holds ?? []).reduce((sum, { fromUs, toUs }) => sum + toUs - fromUs, 0),
    handled,
  );
  const measured = hop.receivedAtUs - causeStoredAtUs;
  const waited = clamp(measured, elapsed - handled);
  return {
    elapsedMs: elapsed / 1000,
    waitedMs: waited / 1000,
    workedMs: (handled - held) / 1000,
    heldMs: held / 1000,
    storingMs: (elapsed - handled - waited) / 1000,
    clockSkewMs: (waited - measured) / 1000,
  };
}

const clamp = (value: number, most: number): number => Math.min(Math.max(0, value), most);
