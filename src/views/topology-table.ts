import type { TopologyReport } from "../commands/topology.ts";
import type { View } from "../terminal.ts";

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
