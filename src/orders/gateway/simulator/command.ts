import { join } from "node:path";
import { type Command, Option } from "commander";
import type { App } from "../../../cli/command-action.ts";
import type { Companion, Flags } from "../../../cli/flow-program.ts";
import { type AllowedHostFlags, port } from "../../../cli/options.ts";
import { stateDir } from "../../../core/directories.ts";
import { openPrivateFolder } from "../../../core/private-files.ts";
import { formatCount } from "../../../terminal/format.ts";
import { paint } from "../../../terminal/paint.ts";
import type { Style } from "../../../terminal/terminal.ts";
import { decisionOf, type GatewayFlags } from "../options.ts";
import type { Simulator } from "./open-simulator.ts";

type SimulatorFlags = GatewayFlags &
  AllowedHostFlags & { ledger?: string; gatewayHost: string; gatewayPort: number };

/** A simulated gateway, as `serve` shows it; `entries`: number of entries in its ledger at the start. */
export type ServingGateway = { url: string; ledger: string; entries: number };

const withSimulatorFlags = (command: Command): Command =>
  command
    .optionsGroup("Service gateway (and the simulated flags above):")
    .option("--gateway-host <host>", "where to listen", "127.0.0.1")
    .addOption(
      new Option("--gateway-port <port>", "where to listen; 0 takes a free port")
        .default(8090)
        .argParser(port),
    )
    .option(
      "--ledger <file>",
      "where charges are booked (default: gateway-ledger.ndjson in our state folder)",
    );

/** The simulated gateway. If it is served together with payment, payment charges through it. */
export const gatewayCompanion: Companion = {
  name: "gateway",
  withFlags: withSimulatorFlags,
  hint: "GET /healthz and GET /charges on its own port tell how it is",
  async start(app, flags) {
    const simulator = await startGateway(app, flags as Flags & SimulatorFlags);
    return { stop: (deadlineMs) => simulator.stop(deadlineMs), flags: { gateway: new URL(simulator.url) } };
  },
};

/** Starts the gateway and shows its address. fastify is imported only here. */
async function startGateway({ env, terminal }: App, flags: SimulatorFlags): Promise<Simulator> {
  const { openSimulator } = await import("./open-simulator.ts");
  const { noFaults } = await import("./faults.ts");
  if (flags.ledger === undefined) await openPrivateFolder(stateDir(env));
  const ledger = flags.ledger ?? join(stateDir(env), "gateway-ledger.ndjson");
  const simulator = await openSimulator({
    host: flags.gatewayHost,
    port: flags.gatewayPort,
    allowedHosts: flags.allowHost,
    flag: "--gateway-port",
    ledger,
    decision: decisionOf(flags),
    faults: { ...noFaults, latency_ms: flags.gatewayLatency, error_share: flags.gatewayErrors },
    note: terminal.note,
  });
  const { url, entries } = simulator;
  terminal.show<ServingGateway>("gateway", { url, ledger, entries }, gatewayLine);
  return simulator;
}

/** Where the gateway answers, where it books, and how to stop it. */
export function gatewayLine({ url, ledger, entries }: ServingGateway, style: Style): string {
  const { bold, dim } = paint(style);
  const booked = `${formatCount(entries)} ${entries === 1 ? "entry" : "entries"} in ${ledger}`;
  return `serving ${bold("gateway")} at ${url}, ${booked} ${dim("- stop with Ctrl-C")}`;
}
