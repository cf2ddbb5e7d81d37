import type { FlowLog } from "../flow/flow.ts";
import { deadLettersStream } from "../flow/flow-topology.ts";
import { readBySequence, readStreamSize } from "../jetstream/streams/read-message.ts";
import { type DeadLetter, type DeadMessage, readDeadLetters } from "./dead-letters.ts";

/** Selects the dead letters that match every given field; `sequences` overrides the other fields. */
export type DeadLetterFilter = {
  sequences?: readonly number[] | undefined;
  orderId?: string | undefined;
  service?: string | undefined;
  reason?: string | undefined;
  /** Unix ms. */
  sinceMs?: number | undefined;
  /** Also select dead letters that need no decision any more: `done` and `failed_again`. */
  settled?: boolean | undefined;
};

/**
 * The matching dead letters, newest first. Reads only the subjects they can have, where the filter determines those.
 */
export async function findDeadLetters(
  log: FlowLog,
  filter: DeadLetterFilter,
  signal?: AbortSignal,
): Promise<DeadMessage[]> {
  let found: DeadMessage[] = [];
  for (const subjects of await subjectsOf(log, filter)) {
    const wanted = (letter: DeadLetter) => fits(letter, filter);
    found = found.concat(await readDeadLetters(log, { filter: subjects, fits: wanted, signal }));
  }
  return found.sort((a, b) => b.letter.sequence - a.letter.sequence);
}

/** With more sequences than this, one read of the whole stream is faster than a read per subject. */
const mostSubjects = 10;
const isToken = (text: string): boolean => /^[\w-]+$/.test(text);

/** The subjects to read: a dead letter and its successors share one. `undefined` stands for the whole stream. */
async function subjectsOf(
  { connection }: FlowLog,
  { sequences = [], orderId = "*", service = "*" }: DeadLetterFilter,
): Promise<(string | undefined)[]> {
  if (sequences.length > mostSubjects) return [undefined];
  if (sequences.length === 0)
    return [orderId, service].every((part) => part === "*" || isToken(part))
      ? [service + orderId === "**" ? undefined : `${deadLettersStream}.${service}.${orderId}`]
      : [undefined];
  if ((await readStreamSize(connection, deadLettersStream)) === undefined) return [];
  const named = sequences.map((sequence) => readBySequence(connection, deadLettersStream, sequence));
  return [...new Set((await Promise.all(named)).flatMap((message) => (message ? [message.subject] : [])))];
}

export function fits(letter: DeadLetter, filter: DeadLetterFilter): boolean {
  const { sequences = [], orderId, service, reason, sinceMs, settled = false } = filter;
  // A dead letter named by its number is selected whatever its state.
  if (sequences.length > 0) return sequences.includes(letter.sequence);
  const wanted = [
    [orderId, letter.orderId],
    [service, letter.service],
    [reason, letter.reason],
  ];
  if (wanted.some(([asked, has]) => asked !== undefined && asked !== has)) return false;
  if (sinceMs !== undefined && Date.parse(letter.at) < sinceMs) return false;
  return settled || letter.state === "open" || letter.state === "under_way";
}
