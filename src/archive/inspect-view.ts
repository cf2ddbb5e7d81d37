import { formatBytes, formatCount } from "../terminal/format.ts";
import { paint } from "../terminal/paint.ts";
import { wrapWords } from "../terminal/plain-text.ts";
import { table } from "../terminal/table.ts";
import type { Style } from "../terminal/terminal.ts";
import type { ArchiveList, FileDetail, SegmentDetail, SegmentSummary } from "./inspect.ts";

/** How far the log is archived and where, what the stream still holds, and a row for each segment. */
export function archiveListView(list: ArchiveList, style: Style): string {
  const { segments, total } = list;
  const { dim } = paint(style);
  const isAll = segments.length === total;
  return [
    ...wrapWords(`archived up to ${extent(list)}; ${holding(list)}`, style.width),
    "",
    table({ columns, rows: segments.map(rowOf) }, style),
    ...(isAll ? [] : [dim(`the last ${segments.length} of ${formatCount(total)}; --all shows all of them`)]),
    "",
    "What a segment holds: orderctl archive show <sequence>",
  ].join("\n");
}

const extent = ({ movedTo, movedToAt, total, bytes, stores }: ArchiveList): string =>
  `message ${formatCount(movedTo)}, stored ${shortTime(movedToAt)}, in ${plural(total, "segment")}, ${formatBytes(bytes)} in ${stores.join(" and ")}`;

function holding({ held, stream }: ArchiveList): string {
  const { messages, firstSequence, lastSequence } = held;
  if (messages === 0) return `the stream ${stream} holds nothing else`;
  return `the stream ${stream} still holds ${plural(messages, "message")}, ${formatCount(firstSequence)} to ${formatCount(lastSequence)}`;
}

const columns = [
  { title: "messages" },
  { title: "events", align: "right" },
  { title: "keys", align: "right" },
  { title: "stored from" },
  { title: "to" },
  { title: "size", align: "right" },
  { title: "pruned" },
] as const;

const rowOf = ({ from, to, events, keys, storedFrom, storedTo, bytes, prunedAt }: SegmentSummary) => [
  `${formatCount(from)} to ${formatCount(to)}`,
  formatCount(events),
  formatCount(keys),
  shortTime(storedFrom),
  shortTime(storedTo),
  formatBytes(bytes),
  prunedAt === null ? "" : shortTime(prunedAt),
];

/** One segment: what it holds by kind, and what is in the store of it. */
export function segmentView(detail: SegmentDetail, style: Style): string {
  const { segment, files, kinds, message, store, sha256, previous } = detail;
  const { dim, red } = paint(style);
  const { from, to, events, keys, storedFrom, storedTo, prunedAt } = segment;
  const isWrong = (row: number) => ["missing", "damaged"].includes(files[row]?.state ?? "");
  return [
    `messages ${formatCount(from)} to ${formatCount(to)}: ${plural(events, "event")} of ${plural(keys, "key")}, stored ${shortTime(storedFrom)} to ${shortTime(storedTo)}`,
    ...(prunedAt === null ? [] : [`its messages were pruned at ${shortTime(prunedAt)}`]),
    ...(message ? [`message ${formatCount(message.sequence)} is ${message.subject}`] : []),
    "",
    ...countLines(kinds),
    `in ${store}:`,
    table({ columns: fileColumns, rows: files.map(fileRow) }, style, (padded, { row, column }) =>
      column === 1 && isWrong(row) ? red(padded) : padded,
    ),
    "",
    dim(`its entry ${sha256}`),
    dim(`follows   ${previous ?? "nothing: it is the first"}`),
  ].join("\n");
}

function countLines(kinds: SegmentDetail["kinds"]): string[] {
  if (!kinds) return [];
  const rows = Object.entries(kinds).map(([kind, count]) => [kind, formatCount(count)] as const);
  const widths = [0, 1].map((column) => Math.max(0, ...rows.map((row) => row[column]?.length ?? 0)));
  return [
    ...rows.map(([kind, count]) => `  ${kind.padEnd(widths[0] ?? 0)}  ${count.padStart(widths[1] ?? 0)}`),
    "",
  ];
}

const fileColumns = [
  { title: "file" },
  { title: "state" },
  { title: "size", align: "right" },
  { title: "sha256" },
] as const;

const fileRow = ({ name, state, bytes, sha256 }: FileDetail) => [
  name,
  state,
  formatBytes(bytes),
  sha256 ?? "-",
];

/** An ISO time to the second. */
export const shortTime = (iso: string): string => `${iso.slice(0, 19).replace("T", " ")}Z`;

export const plural = (count: number, noun: string): string =>
  `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
