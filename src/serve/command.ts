import { Argument } from "commander";
import type { App, Online, Register } from "../cli/command-action.ts";
import { withConnection } from "../cli/options.ts";
import { openServiceLog } from "../cli/service-log.ts";
import { withMetricsFlags } from "../cli/telemetry-options.ts";
import { untilStopped } from "../cli/until-stopped.ts";
import { OrderctlError } from "../core/errors.ts";
import { archiveService } from "../flow/log-archive.ts";
import { withServiceFlags } from "./service-options.ts";
import { servingLine } from "./serving-line.ts";
import { type ServingFlags, startServices } from "./start-services.ts";

export const registerServe: Register = (command, act, program) => {
  const { runnable, companion } = program;
  const names = new Argument(
    "<service...>",
    `which; \`all\` for every one but ${companion.name}, and for ${archiveService} only with --archive`,
  );
  command.addArgument(names.choices([...runnable, archiveService, companion.name, "all"]));
  const online = act.online(serve, { patient: true });
  const offline = act.offline(serveCompanionAlone);
  withConnection(withMetricsFlags(companion.withFlags(withServiceFlags(command, program)))).action(
    (args: string[], ...rest) =>
      (args.every((name) => name === companion.name) ? offline : online)(args, ...rest),
  );
};

/**
 * The flags of a companion that runs in this process point the services at it, unless the user's flags name another.
 */
async function serve(app: Online, flags: ServingFlags, args: string[]): Promise<undefined> {
  const { companion, runnable } = app.program;
  const beside = args.includes(companion.name) ? await companion.start(app, flags) : undefined;
  try {
    const services = await startServices(app, {
      names: namesIn(runnable, args, flags),
      flags: { ...beside?.flags, ...flags },
    });
    app.terminal.show("serving", services.serving, servingLine(services.told));
    await untilStopped(app, services);
  } finally {
    await beside?.stop(0);
  }
  return undefined;
}

function namesIn(runnable: readonly string[], args: readonly string[], { archive }: ServingFlags): string[] {
  const isAll = args.includes("all");
  const names = runnable.filter((name) => isAll || args.includes(name));
  const archives = args.includes(archiveService) || (isAll && archive !== undefined);
  return archives ? [...names, archiveService] : names;
}

/** Runs the companion without services, which needs no broker. */
async function serveCompanionAlone(app: App, flags: ServingFlags): Promise<undefined> {
  const { companion } = app.program;
  if (flags.metricsPort !== undefined)
    throw new OrderctlError("usage", `the ${companion.name} alone has no metrics`, { hint: companion.hint });
  const log = await openServiceLog(app, flags, { services: [companion.name] });
  try {
    const noting = { ...app, terminal: { ...app.terminal, note: log.note } };
    await untilStopped(noting, await companion.start(noting, flags));
  } finally {
    await log.flush();
  }
  return undefined;
}
