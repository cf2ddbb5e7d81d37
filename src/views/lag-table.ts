import type { ConsumerLag, StreamLag } from "../jetstream/lag.ts";
import type { Style } from "../terminal.ts";
import { formatCount, formatDuration, formatRate } from "./format.ts";
import { paint } from "./paint.ts";
import { wrapWords } from "./plain-text.ts";
import { table, tableWidth } from "./table.ts";

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

/** Where not everything fits, this gives way to the consumers' names. */
const inflow = 6;

/** The answer first: is everybody keeping up; then a row for each consumer. */
export function lagTable(lag: StreamLag, style: Style): string {
  if (lag.consumers.length === 0) return `${lag.stream} has no consumers`;
  const rows = lag.consumers.map(lagRow);
  const { yellow } = paint(style);
  const late = lag.consumers.map(isStuck);
  const isNarrow = tableWidth({ columns, rows }) > style.width;
  const fits = <T>(cells: readonly T[]) => cells.filter((_, column) => !isNarrow || column !== inflow);
  const shown = { columns: fits(columns), rows: rows.map(fits) };
  const body = table(shown, style, (text, { row }) => (late[row] ? yellow(text) : text));
  return `${wrapWords(headline(lag), style.width).join("\n")}\n\n${body}`;
}

function headline({ stream, ...lag }: StreamLag): string {
  const consumers = lastingConsumers(lag);
  const backlog = consumers.reduce((sum, consumer) => sum + backlogOf(consumer), 0);
  if (backlog === 0) {
    const who = consumers.length === 1 ? "its consumer is" : `all ${consumers.length} consumers are`;
    return `${stream}: ${who} up to date`;
  }
  const left = `${stream}: ${formatCount(backlog)} ${backlog === 1 ? "delivery" : "deliveries"} to go`;
  const [abandoned, idle, waiting] = [isAbandoned, isIdle, isWaiting].map((is) =>
    namesOf(consumers.filter(is)),
  );
  if (abandoned) return `${left}; nobody is working on ${abandoned}`;
  if (idle) return `${left}; nobody acks or fetches on ${idle}`;
  if (waiting) return `${left}; no ack meanwhile on ${waiting}`;
  return consumers.every(keepsUp) ? `${left}, everybody keeps up` : left;
}

/** A reader that goes with its process is nobody's work, unless there are only such. */
export function lastingConsumers({ consumers }: Pick<StreamLag, "consumers">): ConsumerLag[] {
  const durable = consumers.filter((consumer) => consumer.durable);
  return durable.length > 0 ? durable : consumers;
}

const backlogOf = ({ pending, ackPending }: ConsumerLag): number => pending + ackPending;

/**
 * What comes in goes out: less than a second's worth is then work in progress, not a backlog. Of one and the same flow two
 * samples show a little more or less.
 */
const isInProgress = (lag: ConsumerLag): boolean => {
  const { inPerS, outPerS } = lag;
  return outPerS !== null && outPerS > backlogOf(lag) && (inPerS ?? 0) - outPerS <= Math.max(5, outPerS / 10);
};

const keepsUp = (lag: ConsumerLag): boolean => lag.drainS !== null || isInProgress(lag);

const namesOf = (consumers: ConsumerLag[]): string => consumers.map(({ consumer }) => consumer).join(", ");

/** Messages to go, and in the interval none was acknowledged. */
const isStuck = (lag: ConsumerLag): boolean => backlogOf(lag) > 0 && lag.outPerS === 0;

const isAbandoned = (lag: ConsumerLag): boolean => isStuck(lag) && lag.ackPending === 0 && lag.waiting === 0;

/** Who holds deliveries is busy with as many as it may have, or has died: nobody has told the broker which. */
const isIdle = (lag: ConsumerLag): boolean => isStuck(lag) && lag.ackPending > 0 && lag.waiting === 0;

/** Somebody holds deliveries, or held them and died: then they come again once their ack wait is over. */
const isWaiting = (lag: ConsumerLag): boolean => isStuck(lag) && !isAbandoned(lag);

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

function drainText(lag: ConsumerLag): string {
  const { drainS, outPerS } = lag;
  if (backlogOf(lag) === 0 || outPerS === null) return "-";
  if (isInProgress(lag)) return "< 1 s";
  if (isWaiting(lag)) return "?";
  return drainS === null ? "never" : formatDuration(drainS * 1000);
}
