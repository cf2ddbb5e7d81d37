import { Argument } from "commander";
import { type RunnableName, runnableNames } from "../services/registry.ts";
import { servingLine } from "../views/serving-line.ts";
import type { Online, Register } from "./act.ts";
import { withConnection } from "./options.ts";
import { withServiceFlags } from "./service-options.ts";
import { type ServingFlags, startServices } from "./start-services.ts";
import { withMetricsFlags } from "./telemetry-options.ts";

const drainMs = 15_000;

export const registerServe: Register = (command, act) => {
  const names = new Argument("<service...>", "which; `all` for every one").choices([...runnableNames, "all"]);
  withConnection(withMetricsFlags(withServiceFlags(command.addArgument(names)))).action(
    act.online(serve, { patient: true }),
  );
};

async function serve(app: Online, flags: ServingFlags, args: string[]): Promise<undefined> {
  const services = await startServices(app, { names: servicesNamed(args), flags });
  app.terminal.show("serving", services.serving, servingLine);
  await untilStopped(app, services);
  return undefined;
}

export const servicesNamed = (names: readonly string[]): RunnableName[] =>
  runnableNames.filter((name) => names.includes(name) || names.includes("all"));

/** Waits for the signal, then stops `work` in good order; rejects when the connection is closed for good. */
export async function untilStopped(
  { connection, signal, terminal }: Online,
  work: { stop(deadlineMs: number): Promise<void> },
): Promise<void> {
  const stopped = new Promise<undefined>((resolve) => {
    if (signal.aborted) resolve(undefined);
    signal.addEventListener("abort", () => resolve(undefined), { once: true });
  });
  const failure = await Promise.race([stopped, connection.closed]);
  if (failure) {
    await work.stop(0);
    throw failure;
  }
  const most = `${drainMs / 1000} s at most`;
  terminal.note(`stopping: finishing what is under way, ${most}; again to stop at once`, {}, "info");
  await work.stop(drainMs);
}
