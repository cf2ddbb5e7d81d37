import type { App, Online, Register } from "../cli/command-action.ts";
import { withConnection, withJson, withStreamFlags } from "../cli/options.ts";
import { traceDefaults, traceTopology } from "../collector/traces-stream.ts";
import type { FlowShape } from "../flow/flow.ts";
import { flowTopology } from "../flow/flow-topology.ts";
import {
  applyTopology,
  type Mending,
  mendTopology,
  readDrift,
  type Topology,
} from "../jetstream/streams/apply-topology.ts";
import type { Drift } from "../jetstream/streams/settings-drift.ts";
import { topologyList, topologyTable } from "./topology-table.ts";

type Options = { replicas: number; maxBytes?: number };
type ApplyOptions = Options & { fix: boolean; remake: boolean };

/** What the command changed, and the differences to the wanted topology that remain. */
export type TopologyReport = Mending & {
  streams: number;
  consumers: number;
  created: string[];
  drifts: Drift[];
  /** The flow's stream where other programs made it: it is neither made nor changed. */
  leftAlone: string | null;
};

export const registerTopology: Register = (command, act) => {
  const named = (name: string, summary: string) =>
    withStreamFlags(command.command(name).description(summary));
  const add = (name: string, summary: string) => withConnection(named(name, summary));
  withJson(named("show", "every stream and consumer as it should be; asks no broker")).action(
    act.offline(show),
  );
  add("diff", "what is missing or different; exit code 1 if anything is").action(act.online(diff));
  const applying = named(
    "apply",
    "create what is missing; what is there is changed only by --fix and --remake",
  )
    .option("--fix", "set back, in place, what breaks a promise: a service does not start with it", false)
    .option(
      "--remake",
      "the same; a consumer that cannot be changed in place is deleted and made anew",
      false,
    )
    .addHelpText("after", remakeHelp);
  withConnection(applying).action(act.online(apply));
};

/** Every stream and consumer that orderctl uses: those of the flow, and the stream of spans. */
function wholeTopology(flow: FlowShape, { replicas, maxBytes = Infinity }: Options): Topology {
  const own = flowTopology(flow, { replicas, maxBytes: Number.isFinite(maxBytes) ? maxBytes : undefined });
  const traces = traceTopology({
    ...traceDefaults,
    maxBytes: Math.min(traceDefaults.maxBytes, maxBytes),
    replicas,
  });
  return { ...own, streams: [...own.streams, ...traces.streams] };
}

async function show({ flow, terminal }: App, options: Options): Promise<void> {
  terminal.show("topology-wanted", wholeTopology(flow, options), topologyList);
}

async function diff({ connection, flow, terminal }: Online, options: Options): Promise<number> {
  const wanted = wholeTopology(flow, options);
  const drifts = await readDrift(connection, wanted);
  const found = { ...unmended, created: [], drifts };
  terminal.show("topology", report(flow, wanted, found), topologyTable);
  return drifts.length > 0 ? 1 : 0;
}

const remakeHelp = `
A consumer that was made anew is given everything that is stored once more. The log refuses a second event of a kind, and
the gateway is asked with the same idempotency keys: it has to know them still.
Exit code: 1 where --fix or --remake left something that breaks a promise.`;

async function apply({ connection, flow, terminal }: Online, options: ApplyOptions): Promise<number> {
  const wanted = wholeTopology(flow, options);
  const before = await readDrift(connection, wanted);
  const created = before.filter(({ setting }) => setting === "*").map(({ kind, name }) => `${kind} ${name}`);
  const found = await applyTopology(connection, wanted);
  const { fix, remake } = options;
  const isMending = (fix || remake) && found.some(breaksPromise);
  const mending = isMending ? await mendTopology(connection, wanted, { remake }) : unmended;
  const drifts = isMending ? await readDrift(connection, wanted) : found;
  terminal.show("topology", report(flow, wanted, { ...mending, created, drifts }), topologyTable);
  return (fix || remake) && drifts.some(breaksPromise) ? 1 : 0;
}

const unmended: Mending = { fixed: [], remade: [], refusals: [] };

const breaksPromise = ({ leadsTo }: Drift): boolean => leadsTo !== null;

const report = (
  { isManaged, stream }: FlowShape,
  { streams, consumers }: Topology,
  found: Omit<TopologyReport, "streams" | "consumers" | "leftAlone">,
): TopologyReport => ({
  streams: streams.length,
  consumers: consumers.length,
  ...found,
  leftAlone: isManaged ? null : stream,
});
