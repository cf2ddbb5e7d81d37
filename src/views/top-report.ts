import type { EndedLately, ProcessRates, TopSample } from "../pipeline/top-sample.ts";
import type { Style, View } from "../terminal.ts";
import { formatCount, formatDuration, formatRate } from "./format.ts";
import { lagTable } from "./lag-table.ts";
import { paint } from "./paint.ts";
import { printable, wrapWords } from "./plain-text.ts";
import { table } from "./table.ts";

/** Is all well: rates, latency, breakers, failures. Then every consumer, then every process. */
export const topReport: View<TopSample> = (sample, style) =>
  [headline(sample, style), lagTable(sample.lag, style), processTable(sample.processes, style)].join("\n\n");

function headline({ lag, processes, endedLately, deadLetters }: TopSample, style: Style): string {
  const { red, yellow } = paint(style);
  const created = lag.consumers.find(({ consumer }) => consumer === "payment-processor");
  const failedPerS = sumOfKnown(processes.map((process) => process.failedPerS));
  const breakers = processes.flatMap((process) => process.breakers);
  const ofState = (wanted: string) => breakers.find(({ state }) => state === wanted);
  const worst = ofState("open") ?? ofState("half-open");
  const said = [
    `orders ${formatRate(created?.inPerS ?? null)}`,
    endedLately ? latencyText(endedLately, lag.sampledAt) : "none ended lately",
    `failures ${formatRate(failedPerS)}`,
    worst ? `${worst.name} is ${worst.state}` : "",
    deadLetters > 0 ? `dead letters ${formatCount(deadLetters)}` : "",
  ].filter((text) => text !== "");
  const mark = worst ? red : (failedPerS ?? 0) > 0 || deadLetters > 0 ? yellow : (text: string) => text;
  return wrapWords(printable(said.join("; ")), style.width)
    .map((line) => mark(line))
    .join("\n");
}

/** Of a process that was not there before nothing is known yet; where that goes for all, nothing is known at all. */
function sumOfKnown(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 && values.length > 0 ? null : known.reduce((sum, value) => sum + value, 0);
}

/** Of orders that ended a while ago it says so: it is no news then. */
function latencyText({ p50Ms, p99Ms, lastEndedAt }: EndedLately, sampledAt: string): string {
  const text = `created to ended p50 ${formatDuration(p50Ms)}, p99 ${formatDuration(p99Ms)}`;
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

function processTable(processes: readonly ProcessRates[], style: Style): string {
  if (processes.length === 0) return "no process runs services here";
  return table({ columns, rows: processes.map(processRow) }, style);
}

const processRow = (process: ProcessRates): string[] => [
  printable(process.instance),
  printable(
    process.services.length > 2 ? `${process.services.length} services` : process.services.join(", "),
  ),
  process.stopping ? "stopping" : formatDuration(process.uptimeMs),
  formatRate(process.processedPerS),
  formatRate(process.failedPerS),
  formatCount(process.workers.reduce((sum, { inFlight }) => sum + inFlight, 0)),
  printable(process.breakers.map(({ state }) => state).join(", ") || "-"),
];
