import { isoTime } from "../core/units.ts";
import type { Hop } from "../telemetry/hop.ts";
import type { Flow, Outcome, Total } from "./flow.ts";
import type { LoggedEvent } from "./key-log.ts";
import { foldKey, type KeyState } from "./key-state.ts";

/** One stored event of an order and how it came about. Unknown is `null`: other programs write no hop header. */
export type TimelineHop = Outcome &
  HopTimes & {
    kind: string;
    /** True where the business said no. */
    refused: boolean;
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
export type OrderTimeline = Pick<KeyState, "status" | "outcome" | "ended" | "waitingFor" | "since"> & {
  orderId: string;
  startedAt: string;
  /** From the first event stored to the last one stored; until now where the order has not ended. */
  totalMs: number;
  /** Since the last event was stored; `null` once the order ended. */
  waitingMs: number | null;
  total: Total | null;
  hops: TimelineHop[];
};

/** The timeline of one order from all that is stored of it, as of `nowUs`. Throws `not_found` when that is nothing. */
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
 * Where the time between two stored events went: `waitedMs` in the stream (with earlier deliveries that failed),
 * `workedMs` in the handler, `heldMs` there because a circuit breaker was open, `storingMs` until the broker had stored the outcome. They are never negative and sum
 * to `elapsedMs`, which the broker's clock alone measured.
 */
export type HopTimes = {
  elapsedMs: number | null;
  waitedMs: number | null;
  workedMs: number | null;
  heldMs: number | null;
  storingMs: number | null;
  /**
   * How much the worker's times had to be moved to fit between the broker's: what the two clocks differ by at least,
   * negative where the worker's is ahead. 0 where they agree; `null` where no worker's time is known.
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
