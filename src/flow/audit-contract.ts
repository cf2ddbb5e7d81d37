import { OrderctlError } from "../core/errors.ts";
import type { Connection } from "../jetstream/client/connection.ts";
import type { StoredMessage } from "../jetstream/streams/read-message.ts";
import type { Flow, FlowEvent } from "./flow.ts";

/** A promise that an audit checks; `name` is the key under which its violations are counted. */
export type AuditRule = {
  name: string;
  /** The text shown when the promise was kept. */
  promise: string;
  /** The text shown before the violations of the promise. */
  broken: string;
  /** Names a count of the report: the rule is left out when that count is null. */
  onlyWith?: string;
  /** A count of the report: where it is 0 or null the rule is told as not checked, because `else`. */
  checkedOf?: { count: string; else: string };
  /** What breaks it is late: is anybody working on it? */
  isLateness?: true;
  /** The message that breaks it is one too many, and takes the place of no other. */
  isSurplus?: true;
  /** Names a count of the report, told where it is above 0: what was not compared, and why. */
  leftOut?: { count: string; noun: string; why: string };
};

/** One violation. `sequence` is that of the offending message; `null` when an event is missing. */
export type Offender = {
  rule: string;
  orderId: string | null;
  sku: string | null;
  sequence: number | null;
  detail: string;
};

export type AuditReport = {
  verdict: "PASS" | "FAIL";
  /** Orders created; of them `ended` were notified and `underWay` are younger than the grace period. */
  orders: number;
  ended: number;
  underWay: number;
  /** Events read, not counting unreadable messages. */
  events: number;
  outcomes: Record<string, number>;
  /** First events of keys that had one in the archive already, and that nothing followed from. */
  repeats: number;
  violations: Record<string, number>;
  /** All violations together; `offenders` lists the first of them. */
  offences: number;
  offenders: Offender[];
};

/**
 * The time of the audit, the grace period of a key, and for each key with dead letters what its services gave up on.
 */
export type AuditScope = { nowMs: number; graceMs: number; givenUp?: ReadonlyMap<string, string> };

/** Receives the log in stream order; `finish` judges what is missing. */
export type Auditor = {
  /** Per message: < 1 µs. */
  add(event: FlowEvent, sequence: number, storedAtMs: number): void;
  /** A message of the log that could not be decoded. */
  addUnreadable(subject: string, reason: string, sequence: number): void;
  /** False also for a key that `state` forgot. */
  knows(key: string): boolean;
  /**
   * What `open` needs to go on from here: it reports in the end as if everything had been added to one auditor. Forgets
   * the keys of which no further event can come by right; whatever comes for them later is a violation, but for a first
   * event, which only the archive can tell from that of a new key (`maybeRepeated`). So its size depends on the keys
   * under way and those that broke a promise, not on how much was added: about 30 B each.
   */
  state(): Uint8Array;
  /**
   * The keys of which a first event was added that may be a second one: with a state, all that began since; and those
   * with two first events among what was added. A key may be given twice.
   */
  maybeRepeated(): Iterable<string>;
  /**
   * The archive has a first event of these keys from before. Those that nothing followed from are counted, the others
   * are violations. Call after the last event, before `state` and `finish`.
   */
  addRepeats(keys: ReadonlySet<string>): void;
  /** From here on: forgets all counts and violations, and judges no key that is known by now for what it lacks. */
  judgeFromHere(): void;
  /** Call once, after the last event. */
  finish(scope: AuditScope): AuditReport;
};

/**
 * Hands a message of the log to the audit; false for one that is no event. Per message: < 5 µs, nearly all of it
 * decoding.
 */
export function addToAudit(
  flow: Pick<Flow, "decode">,
  auditor: Auditor,
  { subject, payload, sequence, storedAtUs }: StoredMessage,
): boolean {
  try {
    auditor.add(flow.decode(subject, payload), sequence, storedAtUs / 1000);
    return true;
  } catch (thrown) {
    auditor.addUnreadable(subject, OrderctlError.from(thrown).message, sequence);
    return false;
  }
}

/** What an audit needs to ask others besides the log. `startedAt` is a `performance.now()` time. */
export type AskedBeside = {
  connection: Connection;
  /** Which of the keys are in the part of the log whose audit was taken over, and not read again. */
  findArchived(keys: readonly string[]): Promise<ReadonlySet<string>>;
  options: Readonly<Record<string, unknown>>;
  startedAt: number;
  signal: AbortSignal;
};

export type FlowAudit = {
  rules: readonly AuditRule[];
  /**
   * `state`: of an auditor that was given the log up to here. Throws `unavailable` with source `store` where it is
   * damaged or of another version. Call `addOthers` after the log was read: it returns its counts by name, `null` for
   * what could not be asked.
   */
  open(
    state?: Uint8Array,
  ): Auditor & { addOthers(beside: AskedBeside): Promise<Record<string, number | null>> };
};
