import { OrderctlError } from "../core/errors.ts";
import { type DeadLetter, eachDeadLetter } from "../dead-letters/dead-letters.ts";
import { fits } from "../dead-letters/filter.ts";
import type { Auditor, AuditReport } from "../flow/auditor.ts";
import type { Flow, FlowLog } from "../flow/flow.ts";
import type { BrokerClock, ClockDifference } from "../jetstream/client/broker-clock.ts";
import { readExtent, type StoredMessage } from "../jetstream/streams/read-message.ts";
import { scanStream } from "../jetstream/streams/read-stream.ts";

export type AuditOptions = {
  /** How long an order may be under way. */
  graceMs: number;
  /** That of the log. */
  clock: BrokerClock;
  signal: AbortSignal;
  /** Kept up to date while the log is read. */
  seen: AuditSeen;
  /** What the flow's audit asks beside the log. */
  options?: Readonly<Record<string, unknown>>;
};

export type AuditSeen = { messages: number; sequence: number; lastSequence: number };

export type LogAudit = Omit<AuditReport, "verdict"> & {
  /**
   * `INCOMPLETE` where messages went while the log was read, or where it begins later than at the first and promises seem broken:
   * neither is proven then, a promise kept or one broken.
   */
  verdict: AuditReport["verdict"] | "INCOMPLETE";
  /** Messages that the log held when the audit began and that somebody, or a limit, deleted before they were read. */
  gone: number;
  /** The first sequence that the log held when the audit began: above 1 where what was stored before is removed. */
  firstSequence: number;
  graceMs: number;
  clock: ClockDifference;
  seconds: number;
  /** The rest of what was asked, as the flow's audit counts it; `null` where nobody was asked. */
  [count: string]: unknown;
};

/**
 * Checks every invariant over what the log held when the audit began, in one pass. Memory grows with the orders, by
 * about 0.2 kB each, not with the events. Rejects with `not_found` where there is no log, and with the signal's reason.
 */
export async function auditLog(
  { connection, flow }: FlowLog,
  { graceMs, clock, signal, seen, options = {} }: AuditOptions,
): Promise<LogAudit> {
  // What is stored from here on is not read, so the age of an order counts up to this moment.
  const nowMs = clock.nowUs() / 1000;
  const startedAt = performance.now();
  const auditor = flow.audit.open();
  const { messages, firstSequence, lastSequence } = await readExtent(connection, flow.stream);
  seen.lastSequence = lastSequence;
  await scanStream(connection, { stream: flow.stream, toSequence: lastSequence, signal }, (message) => {
    seen.messages += 1;
    seen.sequence = message.sequence;
    addMessage(flow, auditor, message);
  });
  signal.throwIfAborted();
  const others = await auditor.addOthers({ connection, options, startedAt, signal });
  const givenUp = await readGivenUp({ connection, flow }, auditor, signal);
  const report = auditor.finish({ nowMs, graceMs, givenUp });
  const gone = messages - seen.messages;
  // What was removed may have been the cause of what was read.
  const isCut = firstSequence > 1 && messages > 0;
  return {
    ...report,
    verdict: gone > 0 || (isCut && report.verdict === "FAIL") ? "INCOMPLETE" : report.verdict,
    gone,
    firstSequence,
    graceMs,
    clock: clock.difference,
    ...others,
    seconds: (performance.now() - startedAt) / 1000,
  };
}

/** Per message: < 5 µs, nearly all of it decoding. */
function addMessage(
  flow: Flow,
  auditor: Auditor,
  { subject, payload, sequence, storedAtUs }: StoredMessage,
): void {
  try {
    auditor.add(flow.decode(subject, payload), sequence, storedAtUs / 1000);
  } catch (thrown) {
    auditor.addUnreadable(subject, OrderctlError.from(thrown).message, sequence);
  }
}

/** By order of the log, what has become a dead letter and was not handled since: the oldest that is not of a message that is no event. */
async function readGivenUp(
  log: FlowLog,
  auditor: Auditor,
  signal: AbortSignal,
): Promise<Map<string, string>> {
  const givenUp = new Map<string, DeadLetter>();
  for await (const { letters } of eachDeadLetter(log, { signal }))
    for (const { letter } of letters) {
      const { orderId } = letter;
      if (!orderId || !auditor.knows(orderId) || !fits(letter, {})) continue;
      if (tellsMore(letter, givenUp.get(orderId))) givenUp.set(orderId, letter);
    }
  return new Map([...givenUp].map(([orderId, letter]) => [orderId, whyOf(letter)]));
}

/** Whether one tells more than another of why an order stands still. */
function tellsMore(one: DeadLetter, other: DeadLetter | undefined): boolean {
  if (!other) return true;
  const [isFalse, wasFalse] = [one, other].map(({ reason }) => reason === "bad_message");
  return isFalse === wasFalse ? one.sequence < other.sequence : wasFalse === true;
}

const whyOf = ({ consumer, reason, sequence }: DeadLetter): string =>
  `${consumer} gave up on it, ${reason} (dead letter ${sequence})`;
