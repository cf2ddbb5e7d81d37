import type { DeadLetter, DeadMessage } from "./dead-letters.ts";

/** Which dead letters are meant: those that fit everything that is named. */
export type DeadLetterFilter = {
  sequences?: readonly number[] | undefined;
  orderId?: string | undefined;
  service?: string | undefined;
  reason?: string | undefined;
  /** Unix ms. */
  sinceMs?: number | undefined;
  /** Those that nobody has to decide about any more as well. */
  settled?: boolean | undefined;
};

export const filterDeadLetters = (found: readonly DeadMessage[], filter: DeadLetterFilter): DeadMessage[] =>
  found.filter(({ letter }) => fits(letter, filter));

function fits(letter: DeadLetter, filter: DeadLetterFilter): boolean {
  const { sequences = [], orderId, service, reason, sinceMs, settled = false } = filter;
  // Whoever names one by its number means it, whatever became of it.
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
