import { Argument } from "commander";
import type { App, Online, Register } from "../cli/command-action.ts";
import type { Companion, FlowProgram } from "../cli/flow-program.ts";
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
    `which; \`all\` for every one${companion ? ` but ${companion.name}` : ""}, and for ${archiveService} only with --archive`,
  );
  const beside = companion ? [companion.name] : [];
  command.addArgument(names.choices([...runnable, archiveService, ...beside, "all"]));
  const online = act.online(serve, { patient: true });
  withServiceFlags(command, program);
  companion?.withFlags(command);
  withConnection(withMetricsFlags(command)).action((args: string[], ...rest) => {
    const isAlone = companion !== undefined && args.every((name) => name === companion.name);
    return (isAlone ? act.offline(serveAlone(companion)) : online)(args, ...rest);
  });
};

/**
 * The flags of a companion that runs in this process point the services at it, unless the user's flags name another.
 */
async function serve(app: Online, flags: ServingFlags, args: string[]): Promise<undefined> {
  const { companion } = app.program;
  const beside = companion && args.includes(companion.name) ? await companion.start(app, flags) : undefined;
  try {
    const services = await startServices(app, {
      names: namesIn(app.program, args, flags),
      flags: { ...beside?.flags, ...flags },
    });
    app.terminal.show("serving", services.serving, servingLine(services.told));
    await untilStopped(app, services);
  } finally {
    await beside?.stop(0);
  }
  return undefined;
}

function namesIn(program: FlowProgram, args: readonly string[], { archive }: ServingFlags): string[] {
  const isAll = args.includes("all");
  const called = program.runnable.filter((name) => isAll || args.includes(name));
  const names = called.map(program.serviceOf);
  const archives = args.includes(archiveService) || (isAll && archive !== undefined);
  return archives ? [...names, archiveService] : names;
}

/** Runs the companion without services, which needs no broker. */
const serveAlone =
  (companion: Companion) =>
  async (app: App, flags: ServingFlags): Promise<undefined> => {
    if (flags.metricsPort !== undefined)
      throw new OrderctlError("usage", `the ${companion.name} alone has no metrics`, {
        hint: companion.hint,
      });
    const log = await openServiceLog(app, flags, { services: [companion.name] });
    try {
      const noting = { ...app, terminal: { ...app.terminal, note: log.note } };
      await untilStopped(noting, await companion.start(noting, flags));
    } finally {
      await log.flush();
    }
    return undefined;
  };
