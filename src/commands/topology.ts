import { traceDefaults } from "../collector/start-collector.ts";
import { traceTopology } from "../collector/topology.ts";
import { applyTopology, type Drift, readDrift, type Topology } from "../jetstream/topology.ts";
import { orderTopology } from "../pipeline/topology.ts";
import { topologyList, topologyTable } from "../views/topology-table.ts";
import type { App, Online, Register } from "./act.ts";
import { replicas, withConnection, withJson } from "./options.ts";

type Options = { replicas: number };

/** What the broker has otherwise than the topology wants it, after what the command did. */
export type TopologyReport = { streams: number; consumers: number; created: string[]; drifts: Drift[] };

export const registerTopology: Register = (command, act) => {
  const named = (name: string, summary: string) =>
    command.command(name).description(summary).option("--replicas <n>", "of the streams", replicas, 1);
  const add = (name: string, summary: string) => withConnection(named(name, summary));
  withJson(named("show", "every stream and consumer as it should be; asks no broker")).action(
    act.offline(show),
  );
  add("diff", "what is missing or different; exit code 1 if anything is").action(act.online(diff));
  add("apply", "create what is missing; what is there is never changed").action(act.online(apply));
};

/** Every stream and consumer that orderctl uses: those of the orders, and the one of the spans. */
function wholeTopology({ replicas }: Options): Topology {
  const orders = orderTopology({ replicas });
  const traces = traceTopology({ ...traceDefaults, replicas });
  return { ...orders, streams: [...orders.streams, ...traces.streams] };
}

async function show({ terminal }: App, options: Options): Promise<void> {
  terminal.show("topology-wanted", wholeTopology(options), topologyList);
}

async function diff({ connection, terminal }: Online, options: Options): Promise<number> {
  const wanted = wholeTopology(options);
  const drifts = await readDrift(connection, wanted);
  terminal.show("topology", report(wanted, { created: [], drifts }), topologyTable);
  return drifts.length > 0 ? 1 : 0;
}

async function apply({ connection, terminal }: Online, options: Options): Promise<undefined> {
  const wanted = wholeTopology(options);
  const before = await readDrift(connection, wanted);
  const created = before.filter(({ setting }) => setting === "*").map(({ kind, name }) => `${kind} ${name}`);
  const drifts = await applyTopology(connection, wanted);
  terminal.show("topology", report(wanted, { created, drifts }), topologyTable);
  return undefined;
}

const report = (
  { streams, consumers }: Topology,
  found: Pick<TopologyReport, "created" | "drifts">,
): TopologyReport => ({ streams: streams.length, consumers: consumers.length, ...found });
