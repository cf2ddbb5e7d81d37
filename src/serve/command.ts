import { Argument } from "commander";
import type { App, Online, Register } from "../cli/act.ts";
import { withConnection } from "../cli/options.ts";
import { openServiceLog } from "../cli/service-log.ts";
import { withMetricsFlags } from "../cli/telemetry-options.ts";
import { OrderctlError } from "../core/errors.ts";
import { untilAborted } from "../core/until-aborted.ts";
import { type RunnableName, runnableNames } from "../orders/services/registry.ts";
import { type SimulatorFlags, startGateway, withSimulatorFlags } from "./serve-gateway.ts";
import { withServiceFlags } from "./service-options.ts";
import { servingLine } from "./serving-line.ts";
import { type ServingFlags, startServices } from "./start-services.ts";

const drainMs = 15_000;

type Flags = ServingFlags & SimulatorFlags;

const gateway = "gateway";

export const registerServe: Register = (command, act) => {
  const names = new Argument("<service...>", "which; `all` for every one but gateway");
  command.addArgument(names.choices([...runnableNames, gateway, "all"]));
  const online = act.online(serve, { patient: true });
  const offline = act.offline(serveGatewayAlone);
  withConnection(withMetricsFlags(withSimulatorFlags(withServiceFlags(command)))).action(
    (args: string[], ...rest) => (args.every((name) => name === gateway) ? offline : online)(args, ...rest),
  );
};

/** A gateway that is served beside payment is the one that payment charges, unless another is named. */
async function serve(app: Online, flags: Flags, args: string[]): Promise<undefined> {
  const simulator = args.includes(gateway) ? await startGateway(app, flags) : undefined;
  const charged = simulator && { gateway: new URL(simulator.url) };
  try {
    const services = await startServices(app, {
      names: servicesNamed(args),
      flags: { ...charged, ...flags },
    });
    app.terminal.show("serving", services.serving, servingLine);
    await untilStopped(app, services);
  } finally {
    await simulator?.stop(0);
  }
  return undefined;
}

/** Serves the gateway and nothing else: no broker is needed. */
async function serveGatewayAlone(app: App, flags: Flags): Promise<undefined> {
  if (flags.metricsPort !== undefined) {
    throw new OrderctlError("usage", "the gateway alone has no metrics", {
      hint: "GET /healthz and GET /charges on its own port tell how it is",
    });
  }
  const log = await openServiceLog(app, flags, { services: ["gateway"] });
  try {
    const noting = { ...app, terminal: { ...app.terminal, note: log.note } };
    await untilStopped(noting, await startGateway(noting, flags));
  } finally {
    await log.flush();
  }
  return undefined;
}

export const servicesNamed = (names: readonly string[]): RunnableName[] =>
  runnableNames.filter((name) => names.includes(name) || names.includes("all"));

/** Waits for the signal, then stops `work` in good order; rejects when a connection is closed for good. */
export async function untilStopped(
  { connection, signal, terminal }: App & Partial<Pick<Online, "connection">>,
  work: { stop(deadlineMs: number): Promise<void> },
): Promise<void> {
  const failure = await untilAborted(connection?.closed ?? new Promise<never>(() => {}), signal);
  if (failure) {
    await work.stop(0);
    throw failure;
  }
  const most = `${drainMs / 1000} s at most`;
  terminal.note(`stopping: finishing what is under way, ${most}; again to stop at once`, {}, "info");
  await work.stop(drainMs);
}
