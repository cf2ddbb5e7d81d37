import { join } from "node:path";
import { type Command, Option } from "commander";
import { stateDir } from "../broker/directories.ts";
import type { App } from "../cli/act.ts";
import { type AllowedHostFlags, port } from "../cli/options.ts";
import { openPrivateFolder } from "../core/private-files.ts";
import type { Simulator } from "../orders/gateway/simulator/open-simulator.ts";
import { gatewayLine } from "./gateway-line.ts";
import { decisionOf, type GatewayFlags } from "./gateway-options.ts";

export type SimulatorFlags = GatewayFlags &
  AllowedHostFlags & { ledger?: string; gatewayHost: string; gatewayPort: number };

/** A simulated gateway as it is told; `entries` of its ledger at the start. */
export type ServingGateway = { url: string; ledger: string; entries: number };

export const withSimulatorFlags = (command: Command): Command =>
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

/** Starts the simulated gateway and tells where it is. fastify is loaded only here. */
export async function startGateway({ env, terminal }: App, flags: SimulatorFlags): Promise<Simulator> {
  const { openSimulator } = await import("../orders/gateway/simulator/open-simulator.ts");
  const { noFaults } = await import("../orders/gateway/simulator/faults.ts");
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
