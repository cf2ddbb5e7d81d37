import { formatCount } from "../terminal/format.ts";
import type { DeadLetter } from "./dead-letters.ts";

/** `1 dead letter`, `3 dead letters`. */
export const deadLetters = (count: number): string =>
  `${formatCount(count)} dead letter${count === 1 ? "" : "s"}`;

/** An ISO time to the second. */
export const shortTime = (iso: string): string => `${iso.slice(0, 19).replace("T", " ")}Z`;

/** What became of it, and by whom; nothing where nobody has decided. */
export function fateOf({ state, redrives, next }: DeadLetter): string[] {
  const last = redrives.at(-1);
  const who = last ? ` by ${last.by} at ${shortTime(last.at)}` : "";
  if (state === "under_way") return [`redriven${who}, under way`];
  if (state === "done") return [`redriven${who}, done`];
  if (state === "failed_again") return [`redriven${who}, failed again as ${next}`];
  return [];
}
