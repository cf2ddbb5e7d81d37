import { archiveLine } from "../cli/archive-line.ts";
import { clockTime } from "../cli/read-clock.ts";
import type { FlowShape } from "../flow/flow.ts";
import { consumersOf } from "../flow/log-consumers.ts";
import { lagTable } from "../lag/lag-table.ts";
import { formatCount, formatDuration, formatRate } from "../terminal/format.ts";
import { paint } from "../terminal/paint.ts";
import { wrapWords } from "../terminal/plain-text.ts";
import { table } from "../terminal/table.ts";
import type { Style, View } from "../terminal/terminal.ts";
import type { GoneProcess } from "./gone-processes.ts";
import type { EndedLately, ProcessRates, TopSample } from "./top-sample.ts";

/**
 * First whether all is well: rates, latency, breakers, failures, and the archive. Then every consumer and every process.
 */
export const topReport =
  (flow: FlowShape): View<TopSample> =>
  (sample, style) => {
    const archive = archiveLine(sample.archive, sample.lag.clock, style);
    const first = [headline(flow, sample, style), archive].filter((line) => line !== "").join("\n");
    return [first, lagTable(sample.lag, style), processTable(sample, style)].join("\n\n");
  };

/** The consumers of one service through which every key begins. */
function firstTakers(flow: FlowShape): ReadonlySet<string> {
  const service = flow.subscriptions.find(({ on }) => on === flow.firstKind)?.service ?? "";
  const takers = consumersOf(flow, service).filter(
    ({ subscriptions }) => subscriptions[0].on === flow.firstKind,
  );
  return new Set(takers.map(({ consumer }) => consumer));
}

function headline(
  flow: FlowShape,
  { lag, processes, gone, endedLately, deadLetters }: TopSample,
  style: Style,
): string {
  const begun = firstTakers(flow);
  const created = lag.consumers.filter(({ consumer }) => begun.has(consumer));
  const failedPerS = sumOfKnown(processes.map((process) => process.failedPerS));
  const breakers = processes.flatMap((process) => process.breakers);
  const ofState = (wanted: string) => breakers.find(({ state }) => state === wanted);
  const worst = ofState("open") ?? ofState("half-open");
  const holders = gone.filter(({ holds }) => holds > 0);
  const said = [
    ...holders.map((each) => goneText(each, lag)),
    `${flow.noun.many} ${formatRate(sumOfKnown(created.map(({ inPerS }) => inPerS)))}`,
    endedLately
      ? `${flow.labelOf(flow.firstKind)} to ended ${latencyText(endedLately, lag.sampledAt)}`
      : "none ended lately",
    `failures ${formatRate(failedPerS)}`,
    worst ? `${worst.name} is ${worst.state}` : "",
    deadLetters > 0 ? `dead letters ${formatCount(deadLetters)}` : "",
  ].filter((text) => text !== "");
  const isWrong = worst !== undefined || holders.length > 0;
  const mark = markOf({ isWrong, isOdd: (failedPerS ?? 0) > 0 || deadLetters > 0 }, style);
  return wrapWords(said.join("; "), style.width)
    .map((line) => mark(line))
    .join("\n");
}

function markOf(
  { isWrong, isOdd }: Record<"isWrong" | "isOdd", boolean>,
  style: Style,
): (text: string) => string {
  const { red, yellow } = paint(style);
  if (isWrong) return red;
  return isOdd ? yellow : (text) => text;
}

function goneText({ instance, goneMs, holds, comesAgainBy }: GoneProcess, lag: TopSample["lag"]): string {
  const until = comesAgainBy === null ? "" : ` until ${clockTime(comesAgainBy, lag)}`;
  return `${instance} is gone since ${formatDuration(goneMs)}, holds ${formatCount(holds)}${until}`;
}

/** The sum over processes with a previous sample; null when no process has one. */
function sumOfKnown(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 && values.length > 0 ? null : known.reduce((sum, value) => sum + value, 0);
}

/** Says when the last order ended if that is a while ago. */
function latencyText({ p50Ms, p99Ms, lastEndedAt }: EndedLately, sampledAt: string): string {
  const text = `p50 ${formatDuration(p50Ms)}, p99 ${formatDuration(p99Ms)}`;
  const agoMs = Date.parse(sampledAt) - Date.parse(lastEndedAt);
  return agoMs > staleMs ? `${text}, the last ${formatDuration(agoMs)} ago` : text;
}

const staleMs = 10_000;

const columns = [
  { title: "process" },
  { title: "services" },
  { title: "up", align: "right" },
  { title: "done", align: "right" },
  { title: "failed", align: "right" },
  { title: "in flight", align: "right" },
  { title: "breaker" },
] as const;

function processTable({ processes, gone }: TopSample, style: Style): string {
  const { yellow } = paint(style);
  const none = "no process runs services here";
  if (processes.length + gone.length === 0) return none;
  const rows = [...processes.map(processRow), ...gone.map(goneRow)];
  const drawn = table({ columns, rows }, style, (text, { row }) =>
    row < processes.length ? text : yellow(text),
  );
  return processes.length === 0 ? `${none} any more\n\n${drawn}` : drawn;
}

const goneRow = ({ instance, services, goneMs, holds }: GoneProcess): string[] => [
  instance,
  servicesText(services),
  `gone ${formatDuration(goneMs)}`,
  "-",
  "-",
  formatCount(holds),
  "-",
];

const servicesText = (services: readonly string[]): string =>
  services.length > 2 ? `${services.length} services` : services.join(", ");

const processRow = (process: ProcessRates): string[] => [
  process.instance,
  servicesText(process.services),
  process.stopping ? "stopping" : formatDuration(process.uptimeMs),
  formatRate(process.processedPerS),
  formatRate(process.failedPerS),
  formatCount(process.workers.reduce((sum, { inFlight }) => sum + inFlight, 0)),
  process.breakers.map(({ state }) => state).join(", ") || "-",
];
