import type { ConsumerLag, StreamLag } from "../jetstream/lag.ts";
import type { Style } from "../terminal.ts";
import { formatCount, formatDuration, formatRate } from "./format.ts";
import { paint } from "./paint.ts";
import { table } from "./table.ts";

const columns = [
  { title: "consumer" },
  { title: "pending", align: "right" },
  { title: "unack", align: "right" },
  { title: "redel", align: "right" },
  { title: "wait", align: "right" },
  { title: "oldest", align: "right" },
  { title: "in", align: "right" },
  { title: "out", align: "right" },
  { title: "drain", align: "right" },
] as const;

/** Below this width the inflow gives way to the consumers' names. */
const wideColumns = 95;
const inflow = 6;

/** The answer first: is everybody keeping up; then a row for each consumer. */
export function lagTable(lag: StreamLag, style: Style): string {
  if (lag.consumers.length === 0) return `${lag.stream} has no consumers`;
  const rows = lag.consumers.map(lagRow);
  const { yellow } = paint(style);
  const late = lag.consumers.map(isStuck);
  const isNarrow = style.width < wideColumns;
  const fits = <T>(cells: readonly T[]) => cells.filter((_, column) => !isNarrow || column !== inflow);
  const shown = { columns: fits(columns), rows: rows.map(fits) };
  const body = table(shown, style, (text, { row }) => (late[row] ? yellow(text) : text));
  return `${headline(lag)}\n\n${body}`;
}

function headline({ stream, consumers }: StreamLag): string {
  const backlog = consumers.reduce((sum, { pending, ackPending }) => sum + pending + ackPending, 0);
  if (backlog === 0) {
    const who = consumers.length === 1 ? "its consumer is" : `all ${consumers.length} consumers are`;
    return `${stream}: ${who} up to date`;
  }
  const stuck = consumers.filter(isStuck).map(({ consumer }) => consumer);
  const left = `${stream}: ${formatCount(backlog)} deliveries to go`;
  if (stuck.length > 0) return `${left}; nobody is working on ${stuck.join(", ")}`;
  return consumers.every(({ drainS }) => drainS !== null) ? `${left}, everybody keeps up` : left;
}

/** Messages to go, and in the interval none was acknowledged. */
const isStuck = ({ pending, ackPending, outPerS }: ConsumerLag): boolean =>
  pending + ackPending > 0 && outPerS === 0;

const lagRow = (lag: ConsumerLag): string[] => [
  lag.consumer,
  formatCount(lag.pending),
  formatCount(lag.ackPending),
  formatCount(lag.redelivered),
  formatCount(lag.waiting),
  formatDuration(lag.oldestAgeMs),
  formatRate(lag.inPerS),
  formatRate(lag.outPerS),
  drainText(lag),
];

function drainText({ pending, ackPending, drainS, outPerS }: ConsumerLag): string {
  const backlog = pending + ackPending;
  if (backlog === 0 || outPerS === null) return "-";
  // What comes in goes out: less than a second's worth is work in progress, not a backlog.
  if (outPerS > backlog) return "< 1 s";
  return drainS === null ? "never" : formatDuration(drainS * 1000);
}
