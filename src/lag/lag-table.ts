import { clockTime } from "../cli/read-clock.ts";
import type { ConsumerLag, LagState, StreamLag } from "../jetstream/streams/lag.ts";
import { formatCount, formatDuration, formatRate } from "../terminal/format.ts";
import { paint } from "../terminal/paint.ts";
import { wrapWords } from "../terminal/plain-text.ts";
import { table, tableWidth } from "../terminal/table.ts";
import type { Style } from "../terminal/terminal.ts";

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

/** The index of the `in` column, which is dropped when the table is too wide, so that the consumers' names fit. */
const inflow = 6;

/** First whether all consumers keep up; then a row for each, and why some do not go on. */
export function lagTable(lag: StreamLag, style: Style): string {
  if (lag.consumers.length === 0) return `${lag.stream} has no consumers`;
  const rows = lag.consumers.map(lagRow);
  const { yellow } = paint(style);
  const isNarrow = tableWidth({ columns, rows }) > style.width;
  const fits = <T>(cells: readonly T[]) => cells.filter((_, column) => !isNarrow || column !== inflow);
  const shown = { columns: fits(columns), rows: rows.map(fits) };
  const states = lag.consumers.map(({ state }) => state);
  const isLate = (row: number) => inTrouble.has(states[row] ?? "unknown");
  const body = table(shown, style, (text, { row }) => (isLate(row) ? yellow(text) : text));
  const wrapped = (text: string) => wrapWords(text, style.width).join("\n");
  const reasons = lag.consumers.flatMap(({ consumer, reasons: why }) =>
    why.map((reason) => wrapped(`${consumer}: ${reason}`)),
  );
  const parts = [wrapped(headline(lag)), body, reasons.join("\n")];
  return parts.filter((part) => part !== "").join("\n\n");
}

/** The states that need somebody's attention, worst first, each with what the headline says about its consumers. */
const troubles: [state: LagState, say: (consumers: ConsumerLag[], lag: StreamLag) => string][] = [
  ["unbound", unlessExplained((consumers) => `nobody listens for ${namesOf(consumers)}`)],
  ["abandoned", unlessExplained((consumers) => `nobody is working on ${namesOf(consumers)}`)],
  ["held", (consumers, lag) => consumers.map((consumer) => heldText(consumer, lag)).join(", ")],
  [
    "idle",
    unlessExplained(
      (consumers, lag) => `nobody acks or fetches on ${namesOf(consumers)}${untilText(consumers, lag)}`,
    ),
  ],
  ["waiting", unlessExplained((consumers) => `no ack meanwhile on ${namesOf(consumers)}`)],
  ["paused", (consumers, lag) => consumers.map((consumer) => pauseText(consumer, lag)).join(", ")],
];

/** A consumer with known reasons is described by these instead of by its state. */
function unlessExplained(
  say: (consumers: ConsumerLag[], lag: StreamLag) => string,
): (consumers: ConsumerLag[], lag: StreamLag) => string {
  return (consumers, lag) => {
    const open = consumers.filter(({ reasons }) => reasons.length === 0);
    const explained = consumers
      .filter(({ reasons }) => reasons.length > 0)
      .map(({ consumer, reasons }) => `${consumer}: ${reasons.join(", ")}`);
    return [...explained, open.length > 0 ? say(open, lag) : ""].filter((text) => text !== "").join("; ");
  };
}

const inTrouble: ReadonlySet<LagState> = new Set(troubles.map(([state]) => state));

function headline(lag: StreamLag): string {
  const consumers = lastingConsumers(lag);
  const backlog = consumers.reduce((sum, consumer) => sum + backlogOf(consumer), 0);
  const said = troubles.map(([state, say]) => {
    const such = consumers.filter((consumer) => consumer.state === state);
    return such.length === 0 ? "" : say(such, lag);
  });
  const worst = said.find((text) => text !== "");
  if (backlog === 0) {
    const who = consumers.length === 1 ? "its consumer is" : `all ${consumers.length} consumers are`;
    return `${lag.stream}: ${who} up to date${worst === undefined ? "" : `; ${worst}`}`;
  }
  const left = `${lag.stream}: ${formatCount(backlog)} ${backlog === 1 ? "delivery" : "deliveries"} to go`;
  if (worst !== undefined) return `${left}; ${worst}`;
  const isWell = ({ state }: ConsumerLag) => state === "keeps_up" || state === "up_to_date";
  return consumers.every(isWell) ? `${left}, everybody keeps up` : left;
}

/**
 * Deliveries that no process has in hand are redelivered by the broker on its own, until `comesAgainBy` at the latest.
 * When processes have them all, only the age of the oldest is known.
 */
function heldText(held: ConsumerLag, lag: StreamLag): string {
  const { consumer, workers, unclaimed, comesAgainBy, oldestAgeMs } = held;
  if (unclaimed === null || unclaimed === 0)
    return `the oldest delivery of ${consumer} has waited ${formatDuration(oldestAgeMs)} for its ack`;
  const [what, are] =
    unclaimed === 1 ? ["1 delivery", "is"] : [`${formatCount(unclaimed)} deliveries`, "are"];
  const isAhead = comesAgainBy !== null && comesAgainBy > lag.sampledAt;
  const again = isAhead ? `, until ${clockTime(comesAgainBy, lag)}` : "";
  const where =
    workers === 0
      ? "held by nobody that answers"
      : "in no process's hands: handed back for later, or held by one that is gone";
  return `${what} of ${consumer} ${are} ${where}${again}`;
}

/** Only for consumers whose processes could not be asked: until when a dead worker may hold deliveries. */
function untilText(consumers: readonly ConsumerLag[], lag: StreamLag): string {
  const last = consumers
    .filter(({ unclaimed }) => unclaimed === null)
    .flatMap(({ comesAgainBy }) => comesAgainBy ?? [])
    .filter((time) => time > lag.sampledAt)
    .sort()
    .at(-1);
  return last === undefined ? "" : `; what a dead worker holds comes again by ${clockTime(last, lag)}`;
}

const pauseText = ({ consumer, pausedUntil }: ConsumerLag, lag: StreamLag): string =>
  `${consumer} is paused${pausedUntil === null ? "" : ` until ${clockTime(pausedUntil, lag)}`}`;

/**
 * The durable consumers: ephemeral ones end with their process and are nobody's backlog. All consumers if none is
 * durable.
 */
export function lastingConsumers({ consumers }: Pick<StreamLag, "consumers">): ConsumerLag[] {
  const durable = consumers.filter((consumer) => consumer.durable);
  return durable.length > 0 ? durable : consumers;
}

const backlogOf = ({ pending, ackPending }: ConsumerLag): number => pending + ackPending;

const namesOf = (consumers: ConsumerLag[]): string => consumers.map(({ consumer }) => consumer).join(", ");

const lagRow = (lag: ConsumerLag): string[] => [
  lag.consumer,
  formatCount(lag.pending),
  formatCount(lag.ackPending),
  formatCount(lag.redelivered),
  waitText(lag),
  lag.oldestAgeMs === null && backlogOf(lag) > 0 ? "?" : formatDuration(lag.oldestAgeMs),
  formatRate(lag.inPerS),
  formatRate(lag.outPerS),
  drainText(lag),
];

const waitText = ({ bound, waiting }: ConsumerLag): string =>
  bound === null ? formatCount(waiting) : bound ? "push" : "unbound";

const openStates: ReadonlySet<LagState> = new Set(["held", "idle", "waiting"]);

function drainText(lag: ConsumerLag): string {
  const { drainS, outPerS, state } = lag;
  if (state === "paused") return "paused";
  if (backlogOf(lag) === 0 || outPerS === null) return "-";
  if (openStates.has(state)) return "?";
  if (state === "keeps_up" && (drainS === null || outPerS > backlogOf(lag))) return "< 1 s";
  return drainS === null ? "never" : formatDuration(drainS * 1000);
}
