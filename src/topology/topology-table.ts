import type { Topology } from "../jetstream/streams/apply-topology.ts";
import { formatDuration } from "../terminal/format.ts";
import type { View } from "../terminal/terminal.ts";
import type { TopologyReport } from "./command.ts";

/** Each stream with its settings, followed by its consumers. */
export const topologyList: View<Topology> = ({ streams, consumers }) =>
  streams
    .map((stream) => {
      const own = consumers.filter((consumer) => consumer.stream === stream.name);
      return [
        `stream ${stream.name}`,
        ...settingLines(stream, ["name"], "  "),
        ...own.flatMap((consumer) => [
          `  consumer ${consumer.durable_name}`,
          ...settingLines(consumer, ["stream", "durable_name"], "    "),
        ]),
      ].join("\n");
    })
    .join("\n\n");

const settingLines = (
  settings: Readonly<Record<string, unknown>>,
  named: readonly string[],
  indent: string,
): string[] =>
  Object.entries(settings)
    .filter(([name]) => !named.includes(name))
    .map(([name, value]) => `${indent}${name}: ${settingText(name, value)}`);

/** The settings that the broker takes in ns. */
const times = new Set([
  "max_age",
  "duplicate_window",
  "ack_wait",
  "inactive_threshold",
  "max_expires",
  "priority_timeout",
  "subject_delete_marker_ttl",
  "idle_heartbeat",
]);

const settingText = (name: string, value: unknown): string =>
  isTime(name, value) ? formatDuration(value / 1e6) : value === null ? "not set" : JSON.stringify(value);

const isTime = (name: string, value: unknown): value is number =>
  times.has(name) && typeof value === "number" && value > 0;

/** What was created, changed or differs, one line each. */
export const topologyTable: View<TopologyReport> = (report) => {
  const { leftAlone } = report;
  const told = changesAndDrifts(report);
  if (leftAlone === null) return told;
  return `${told}\nstream ${leftAlone} is not orderctl's own and left as it is: nothing keeps it from taking an event twice`;
};

function changesAndDrifts({ streams, consumers, ...report }: TopologyReport): string {
  const { created, fixed, remade, refusals, drifts } = report;
  const wanted = `${streams} streams and ${consumers} consumers`;
  if ([created, fixed, remade, drifts].every(({ length }) => length === 0))
    return `${wanted}, all as they should be`;
  const missing = drifts.filter(({ setting }) => setting === "*");
  const different = drifts.length - missing.length;
  const counts = [
    created.length > 0 ? `${created.length} created` : "",
    fixed.length > 0 ? `${fixed.length} set back` : "",
    remade.length > 0 ? `${remade.length} made anew` : "",
    missing.length > 0 ? `${missing.length} missing` : "",
    different > 0 ? `${different} ${different === 1 ? "setting differs" : "settings differ"}` : "",
  ];
  const told = [
    `${wanted}: ${counts.filter((text) => text !== "").join(", ")}`,
    ...created.map((each) => `  created ${each}`),
    ...fixed.map((each) => `  set back ${each}`),
    ...remade.map((each) => `  made anew ${each}: it is given everything that is stored once more`),
    ...missing.map(({ kind, name }) => `  missing ${kind} ${name}`),
    ...drifts.filter(({ setting }) => setting !== "*").map(differenceLine),
    ...refusals.map((each) => `  not changed: ${each}`),
    ...adviceFor(report),
  ];
  return told.join("\n");
}

/** What to do about a broken promise; empty when none is broken. */
function adviceFor({ drifts, refusals }: Pick<TopologyReport, "drifts" | "refusals">): string[] {
  if (drifts.every(({ leadsTo }) => leadsTo === null)) return [];
  if (refusals.length === 0)
    return ["no service starts with this: `orderctl topology apply --fix` sets it back"];
  const isConsumer = refusals.some((each) => each.startsWith("consumer "));
  const advice = [];
  if (isConsumer)
    advice.push("`orderctl topology apply --remake` makes the consumer anew; --help says what that means");
  if (refusals.some((each) => each.startsWith("stream ")))
    advice.push("a stream is not made anew by orderctl: that would delete what it holds");
  return advice;
}

function differenceLine(drift: TopologyReport["drifts"][number]): string {
  const { kind, name, setting, wanted, actual, isKnown, leadsTo } = drift;
  if (!isKnown) return `  ${kind} ${name}: unknown setting ${setting}: ${settingText(setting, actual)}`;
  const rounded = [actual, wanted].map((value) => settingText(setting, value));
  // Two times may be too close to differ when rounded.
  const exact = () => [actual, wanted].map((value) => (isTime(setting, value) ? `${value / 1e9} s` : "-"));
  const [is, should] = rounded[0] === rounded[1] ? exact() : rounded;
  return `  ${kind} ${name}: ${setting} is ${is}, wanted ${should}; ${leadsTo === null ? "left as it is" : `breaks a promise: ${leadsTo}`}`;
}
