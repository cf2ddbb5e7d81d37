import type { Note } from "../core/note.ts";
import type { LogStream } from "../terminal/log.ts";
import type { App } from "./command-action.ts";
import { instanceOf, serviceName } from "./identity.ts";

export type LogFlags = { logLevel?: string; instance?: string };

type LogOf = {
  /** The services that this process runs. */
  services: readonly string[];
  /** Where lines for people go instead of stderr, for a command that draws on the terminal. */
  screen?: LogStream | undefined;
};

/**
 * Opens the log of a process that runs until it is stopped: on stderr, as JSON unless that is a terminal. Throws
 * `usage` for an unknown level.
 */
export async function openServiceLog(
  app: App,
  flags: LogFlags,
  { services, screen }: LogOf,
): Promise<{ note: Note; flush(): Promise<void> }> {
  const { createLog, parseLogLevel } = await import("../terminal/log.ts");
  const { env, stderr, terminal } = app;
  const log = await createLog({
    stream: screen ?? stderr,
    level: parseLogLevel(flags.logLevel ?? (env.ORDERCTL_LOG_LEVEL || "info")),
    pretty: screen !== undefined || stderr.isTTY === true,
    colour: terminal.noteStyle.colour,
    fields: {
      service: env.OTEL_SERVICE_NAME || serviceName(services),
      instance: await instanceOf(app, flags),
    },
  });
  return {
    note: (text, fields, level = "warn") => log[level](text, fields),
    flush: () => log.flush(),
  };
}
