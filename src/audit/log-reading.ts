import { type Auditor, addToAudit } from "../flow/audit-contract.ts";
import type { Flow, FlowLog } from "../flow/flow.ts";
import { readLog } from "../flow/read-log.ts";
import type { readExtent, StoredMessage } from "../jetstream/streams/read-message.ts";
import { countFrom } from "../jetstream/streams/read-stream.ts";

/** `sequence` is that of the last message read, of those from `readFrom` to `lastSequence`. */
export type AuditSeen = { messages: number; sequence: number; readFrom: number; lastSequence: number };

export const nothingSeen = (): AuditSeen => ({ messages: 0, sequence: 0, readFrom: 1, lastSequence: 0 });

type Reading = {
  /** Updated while the log is read; tells what to read. */
  seen: AuditSeen;
  /** The last sequence that is archived. */
  archivedTo: number;
  /** When judging begins, Unix µs; with the first message by default. */
  sinceUs?: number | undefined;
  signal: AbortSignal;
};

/** Hands an auditor what is to be read of a log. Ends early, without an error, when the signal aborts. */
export async function readForAudit(
  log: FlowLog,
  auditor: Auditor,
  { signal, ...reading }: Reading,
): Promise<LogReading> {
  const { readFrom: from, lastSequence: to } = reading.seen;
  const read = new LogReading(log.flow, auditor, reading);
  for await (const batch of readLog(log, { from, to, signal })) {
    if (signal.aborted) break;
    for (const message of batch) read.add(message);
  }
  read.end();
  return read;
}

export class LogReading {
  readonly #flow: Flow;
  readonly #auditor: Auditor;
  readonly #seen: AuditSeen;
  readonly #archivedTo: number;
  /** Undefined once judging has begun. */
  #judgesFromUs: number | undefined;
  /** The first sequence that was read; 1 where nothing was. */
  firstSequence = 1;
  /** When the last archived message that was read was stored. */
  archivedUntilUs: number | undefined;
  /** Not counting messages that are no events. */
  events = 0;
  /** Messages that were not archived when the reading began. */
  beyondArchive = 0;

  constructor(flow: Flow, auditor: Auditor, { seen, archivedTo, sinceUs }: Omit<Reading, "signal">) {
    this.#flow = flow;
    this.#auditor = auditor;
    this.#seen = seen;
    this.#archivedTo = archivedTo;
    this.#judgesFromUs = sinceUs;
  }

  /** Per message: < 5 µs, nearly all of it decoding. */
  add(message: StoredMessage): void {
    const { sequence, storedAtUs } = message;
    if (this.#seen.messages === 0) this.firstSequence = sequence;
    if (this.#judgesFromUs !== undefined && storedAtUs >= this.#judgesFromUs) this.end();
    this.#seen.messages += 1;
    this.#seen.sequence = sequence;
    if (sequence > this.#archivedTo) this.beyondArchive += 1;
    else this.archivedUntilUs = storedAtUs;
    if (addToAudit(this.#flow, this.#auditor, message)) this.events += 1;
  }

  /** Begins to judge, unless that has begun. */
  end(): void {
    if (this.#judgesFromUs !== undefined) this.#auditor.judgeFromHere();
    this.#judgesFromUs = undefined;
  }
}

/**
 * How many messages a stream held beyond the archive. Too low where messages are stored while it is counted, never too
 * high.
 */
export async function countBeyond(
  { connection, flow: { stream } }: FlowLog,
  { messages, firstSequence, lastSequence }: Awaited<ReturnType<typeof readExtent>>,
  archivedTo: number,
): Promise<number> {
  if (firstSequence > archivedTo) return messages;
  const countAfter = (sequence: number) =>
    countFrom(connection, { stream, start: { sequence: sequence + 1 } });
  const ahead = await countAfter(archivedTo);
  return Math.max(0, ahead - (await countAfter(lastSequence)));
}
