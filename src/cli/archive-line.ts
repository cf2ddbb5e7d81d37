import type { ArchiveState, LogArchive } from "../flow/log-archive.ts";
import { type LogCost, manyEvents } from "../flow/log-cost.ts";
import type { ClockDifference } from "../jetstream/client/broker-clock.ts";
import { formatBytes, formatCount, formatDuration, formatGrowth } from "../terminal/format.ts";
import { paint } from "../terminal/paint.ts";
import { wrapWords } from "../terminal/plain-text.ts";
import type { Style } from "../terminal/terminal.ts";
import { clockTime } from "./read-clock.ts";

/** A segment that is due for longer than this is late, ms. */
const lateMs = 600_000;

/**
 * How far the log is archived, what is wrong with that first; where nobody archives it, what it costs the broker. Empty
 * for an empty log that nobody archives, and where nothing is known.
 */
export function archiveLine(archive: LogArchive | null, clock: ClockDifference, style: Style): string {
  if (!archive) return "";
  const { archiver, cost } = archive;
  const { yellow, dim } = paint(style);
  if (!archiver) {
    if (cost.events === 0) return "";
    return wrapped(costText(cost), style, cost.events > manyEvents ? yellow : dim);
  }
  const wrong = troubles(archive, archiver, clock);
  const text = `archive: ${[...wrong, ...progress(archiver, archive.sampledAt)].join("; ")}`;
  return wrapped(text, style, wrong.length > 0 ? yellow : (line) => line);
}

const wrapped = (text: string, { width }: Style, mark: (line: string) => string): string =>
  wrapWords(text, width)
    .map((line) => mark(line))
    .join("\n");

function troubles(
  { problems, sampledAt }: LogArchive,
  { heldBack, lagMs }: ArchiveState,
  clock: ClockDifference,
): string[] {
  const held = heldBack
    ? [`held back by consumer ${heldBack.consumer} since ${clockTime(heldBack.since, { sampledAt, clock })}`]
    : [];
  const known = [...held, ...problems];
  const isLate = (lagMs ?? 0) > lateMs && known.length === 0;
  return isLate ? [`late by ${formatDuration(lagMs)}`] : known;
}

function progress({ movedTo, movedToUs, segments, bytes, store, behind }: ArchiveState, sampledAt: string) {
  const toGo = behind ? [`${formatCount(behind)} ${behind === 1 ? "event" : "events"} to go`] : [];
  if (!movedTo) return [`${movedTo === null ? "beginning" : "nothing yet"}, in ${store}`, ...toGo];
  const agoMs = movedToUs === null ? null : Math.max(0, Date.parse(sampledAt) - movedToUs / 1000);
  const ago = agoMs === null ? "" : ` (${formatDuration(agoMs)} ago)`;
  const held = `${formatCount(segments)} ${segments === 1 ? "segment" : "segments"}, ${formatBytes(bytes)}`;
  return [`up to message ${formatCount(movedTo)}${ago}, ${held} in ${store}`, ...toGo];
}

/** What a log that nobody archives costs, and what to do about it. */
export function costText({ events, ramBytes, ramBytesPerS, full }: LogCost): string {
  const growth = ramBytesPerS !== null && ramBytesPerS > 0 ? `, ${formatGrowth(ramBytesPerS)}` : "";
  const end = full ? `, ${fullText[full.limit]} in ${formatDuration(full.inS * 1000)}` : "";
  const count = `${formatCount(events)} ${events === 1 ? "event" : "events"}`;
  const ram = `~${formatBytes(ramBytes)} of the broker's RAM`;
  return `nobody archives the log: ${count}, ${ram}${growth}${end}: orderctl serve archive`;
}

const fullText = {
  max_msgs: "its max_msgs reached",
  max_bytes: "its max_bytes reached",
  account: "the account's storage full",
} as const;
