import type { Noun } from "../core/noun.ts";
import { formatCount } from "../terminal/format.ts";
import { paint } from "../terminal/paint.ts";
import { cutMiddle } from "../terminal/plain-text.ts";
import { longest, table } from "../terminal/table.ts";
import type { Style } from "../terminal/terminal.ts";
import type { DeadLetter } from "./dead-letters.ts";

/** `letters` are the newest of `total`; `total` is null when the older ones were not counted. */
export type DeadLetterList = { total: number | null; letters: readonly DeadLetter[] };

const columnsOf = ({ one }: Noun) =>
  [
    { title: "when" },
    { title: "no.", align: "right" },
    { title: "service" },
    { title: one },
    { title: "attempts", align: "right" },
    { title: "reason" },
  ] as const;

const orderColumn = 3;
const narrowestId = 12;

/** The number of dead letters, a row for each, and the next command to type. */
export const deadLetterTable =
  (noun: Noun) =>
  ({ total, letters }: DeadLetterList, style: Style): string => {
    if (total === 0) return "no dead letters";
    const { dim } = paint(style);
    const columns = columnsOf(noun);
    const titles = columns.map(({ title }) => title);
    const rows = fitted(letters.map(rowOf), titles, style);
    const isAll = total === letters.length;
    return [
      total === null ? `the newest ${deadLetters(letters.length)}` : deadLetters(total),
      "",
      table({ columns, rows }, style),
      ...(isAll ? [] : [dim(moreLetters(total, letters.length))]),
      "",
      `Why, and what it was: orderctl dlq show ${letters[0]?.sequence ?? 0}`,
    ].join("\n");
  };

export const moreLetters = (total: number | null, shown: number): string =>
  `${total === null ? "there are" : formatCount(total - shown)} more; --limit shows them`;

const rowOf = (letter: DeadLetter): string[] => [
  shortTime(letter.at),
  String(letter.sequence),
  letter.service,
  letter.orderId ?? letter.subject,
  formatCount(letter.attempts),
  [letter.reason, ...fateOf(letter)].join(", "),
];

/** Cuts the keys in the middle when a row is wider than the terminal. */
function fitted(rows: readonly string[][], titles: readonly string[], style: Style): string[][] {
  const widths = titles.map((title, index) => longest(rows, index, title.length));
  const all = widths.reduce((sum, width) => sum + width + 2, -2);
  const room = Math.max(narrowestId, (widths[orderColumn] ?? 0) - Math.max(0, all - style.width));
  return rows.map((row) =>
    row.map((cell, index) => (index === orderColumn ? cutMiddle(cell, room, style) : cell)),
  );
}

/** `1 dead letter`, `3 dead letters`. */
export const deadLetters = (count: number): string =>
  `${formatCount(count)} dead letter${count === 1 ? "" : "s"}`;

/** An ISO time to the second. */
export const shortTime = (iso: string): string => `${iso.slice(0, 19).replace("T", " ")}Z`;

/** What became of a dead letter, and who redrove it; empty while it is open. */
export function fateOf({ state, redrives, next }: DeadLetter): string[] {
  const last = redrives.at(-1);
  const who = last ? ` by ${last.by} at ${shortTime(last.at)}` : "";
  if (state === "under_way") return [`redriven${who}, under way`];
  if (state === "done") return [`redriven${who}, done`];
  if (state === "failed_again") return [`redriven${who}, failed again as ${next}`];
  return [];
}
