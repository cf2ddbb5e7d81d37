import type { TopologyReport } from "../commands/topology.ts";
import type { Topology } from "../jetstream/topology.ts";
import type { View } from "../terminal.ts";

/** Each stream with its settings, and below it its consumers. */
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
    .map(([name, value]) => `${indent}${name}: ${JSON.stringify(value)}`);

/** What was created and what differs, one line each. */
export const topologyTable: View<TopologyReport> = ({ streams, consumers, created, drifts }) => {
  const wanted = `${streams} streams and ${consumers} consumers`;
  if (created.length + drifts.length === 0) return `${wanted}, all as they should be`;
  const missing = drifts.filter(({ setting }) => setting === "*");
  const different = drifts.length - missing.length;
  const told = [
    `${wanted}: ${created.length} created, ${missing.length} missing, ${different} settings differ`,
    ...created.map((each) => `  created ${each}`),
    ...missing.map(({ kind, name }) => `  missing ${kind} ${name}`),
    ...drifts.filter(({ setting }) => setting !== "*").map(differenceLine),
  ];
  return told.join("\n");
};

const differenceLine = ({ kind, name, setting, wanted, actual }: TopologyReport["drifts"][number]): string =>
  `  ${kind} ${name}: ${setting} is ${JSON.stringify(actual)}, wanted ${JSON.stringify(wanted)}; left as it is`;
