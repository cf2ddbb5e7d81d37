import { formatCount, formatDuration } from "../../terminal/format.ts";
import { paint } from "../../terminal/paint.ts";
import { table } from "../../terminal/table.ts";
import type { Style } from "../../terminal/terminal.ts";
import type { BenchPart, BenchReport, BenchRow, BenchTarget } from "./bench-report.ts";

const columns = [
  { title: "way" },
  { title: "per second", align: "right" },
  { title: "p50", align: "right" },
  { title: "p99", align: "right" },
  { title: "p99.9", align: "right" },
  { title: "CPU each", align: "right" },
  { title: "broker each", align: "right" },
  { title: "memory", align: "right" },
] as const;

const wayNames: Record<string, string> = {
  client: "js.publish()",
  pipelined: "bare client, pipelined",
  publisher: "orderctl's publisher",
  "publish-order": "orderctl publish order",
  bare: "bare client",
  orderctl: "orderctl",
  "built-in": "built in",
  defined: "by defineFlow",
  untraced: "not traced",
  traced: "traced, 100 new traces/s",
  slow: "… collector slow",
  refusing: "… collector answers 503",
  dying: "… collector dies",
  everything: "every order traced",
};

const targetNames: Record<string, string> = {
  publisher_to_pipelined_per_second: "of the pipelined client's rate",
  publisher_to_client_per_second: "of js.publish()'s rate",
  orderctl_to_bare_p99: "of the bare client's p99",
  orderctl_worker_memory: "held by orderctl's worker at most",
  orderctl_to_bare_per_second: "of the bare client's rate",
  defined_to_built_in_per_second: "of the built-in stage's rate",
  traced_to_untraced_per_second: "of the rate without tracing",
  slow_to_traced_per_second: "of the rate with a sound collector, with a slow one",
  slow_to_traced_memory: "of the memory with a sound collector, with a slow one",
  refusing_to_traced_per_second: "of the rate with a sound collector, with one that answers 503",
  refusing_to_traced_memory: "of the memory with a sound collector, with one that answers 503",
  dying_to_traced_per_second: "of the rate with a sound collector, with one that dies",
  dying_to_traced_memory: "of the memory with a sound collector, with one that dies",
  spans_lost: "lost, every order traced",
};

/** A run that reaches less than this share of the asked rate was too slow for it. */
const keepsUpFrom = 0.98;

/** Says whether the targets are met and which machine was used; then, for each part, its figures and targets. */
export const benchReport =
  (title: string) =>
  (report: BenchReport, style: Style): string => {
    const parts = report.parts.flatMap((part) => ["", ...partLines(part, style)]);
    return [headline(title, report), paint(style).dim(machineLine(report)), ...parts].join("\n");
  };

function headline(title: string, { parts }: BenchReport): string {
  const targets = parts.flatMap((part) => part.targets);
  const missed = targets.filter(({ met }) => !met);
  if (missed.length === 0) return `${title}: all ${targets.length} targets met`;
  return `${title}: ${missed.length} of ${targets.length} targets missed`;
}

function machineLine({ machine: { node, natsServer, cores }, rounds }: BenchReport): string {
  const turns = rounds === 1 ? "1 round" : `medians of ${rounds} rounds`;
  return `Node ${node}, nats-server ${natsServer}, ${cores} ${cores === 1 ? "core" : "cores"}; ${turns}`;
}

const partLines = (part: BenchPart, style: Style): string[] => [
  partTitle(part),
  table({ columns, rows: part.rows.map(cells) }, style),
  ...laggards(part, style),
  ...part.targets.map((target) => targetLine(target, style)),
];

function partTitle({ part, settings }: BenchPart): string {
  const at = (name: string) => formatCount(settings[name] ?? null);
  if (part === "publish")
    return `${at("count")} events of ${at("bodyBytes")} bytes, ${at("window")} in flight`;
  if (part === "shipping" || part === "notification")
    return `${at("count")} orders through ${part} alone, as fast as it goes`;
  if (part === "tracing")
    return `${at("count")} orders through all services in one process, as fast as it goes`;
  if (part === "everything")
    return `every one of ${at("ratePerSecond")} orders/s traced for ${at("seconds")} s`;
  if (part === "rate")
    return `${at("ratePerSecond")} orders/s for ${at("seconds")} s, from created to payment stored`;
  return `${at("count")} orders through all four stages, as fast as it goes`;
}

/** Warns about runs that fell behind the rate: their latencies measure a growing backlog and cannot be compared. */
function laggards({ rows, settings: { ratePerSecond } }: BenchPart, style: Style): string[] {
  if (ratePerSecond === undefined) return [];
  const late = rows.filter(({ perSecond }) => perSecond < ratePerSecond * keepsUpFrom);
  const names = late.map(({ way }) => nameOf(way)).join(" and ");
  return late.length === 0
    ? []
    : [paint(style).yellow(`! ${names} fell behind: these latencies are a backlog's`)];
}

const nameOf = (way: string): string => wayNames[way] ?? way;

const cells = ({ way, perSecond, p50Ms, p99Ms, p999Ms, clientCpuUs, brokerCpuUs, maxRssMb }: BenchRow) => [
  nameOf(way),
  formatCount(perSecond),
  ...[p50Ms, p99Ms, p999Ms].map(formatDuration),
  microseconds(clientCpuUs),
  microseconds(brokerCpuUs),
  `${formatCount(maxRssMb)} MB`,
];

const microseconds = (us: number | null): string => (us === null ? "-" : `${us.toFixed(1)} µs`);

function targetLine(target: BenchTarget, style: Style): string {
  const { green, red } = paint(style);
  const [kept, broken] = style.unicode ? ["✓", "✗"] : ["+", "x"];
  const mark = target.met ? green(`${kept} met   `) : red(`${broken} missed`);
  const { name, lowest, highest, bound, limit, value } = target;
  const amount = (n: number) => (target.unit === "ratio" ? n.toFixed(2) : `${formatCount(n)} ${target.unit}`);
  const spread = lowest === highest ? "" : `; rounds ${amount(lowest)} to ${amount(highest)}`;
  const wanted = `target ${bound === "at_least" ? "≥" : "≤"} ${amount(limit)}`;
  return `${mark} ${amount(value)} ${targetNames[name] ?? name} (${wanted}${spread})`;
}
