import type { LogStream } from "../log.ts";
import type { Note } from "../note.ts";
import type { App } from "./act.ts";

export type LogFlags = { logLevel?: string };

type LogOf = {
  service: string;
  /** Where lines for the eye go, where stderr is not the place. */
  screen?: LogStream | undefined;
};

/**
 * The log of a process that runs until it is stopped: on stderr, as JSON unless that is a terminal. Throws `usage` for
 * an unknown level.
 */
export async function openServiceLog(
  { env, stderr, terminal, config }: App,
  { logLevel }: LogFlags,
  { service, screen }: LogOf,
): Promise<{ note: Note; flush(): Promise<void> }> {
  const { createLog, parseLogLevel } = await import("../log.ts");
  const log = await createLog({
    stream: screen ?? stderr,
    level: parseLogLevel(logLevel ?? (env.ORDERCTL_LOG_LEVEL || "info")),
    pretty: screen !== undefined || stderr.isTTY === true,
    colour: terminal.noteStyle.colour,
    fields: { service, instance: (await config()).instance },
  });
  return {
    note: (text, fields, level = "warn") => log[level](text, fields),
    flush: () => log.flush(),
  };
}
