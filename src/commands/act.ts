import type { Command } from "commander";
import type { Config, ConnectionFlags } from "../config.ts";
import type { Connection } from "../jetstream/connection.ts";
import type { Note } from "../note.ts";
import { createTerminal, type Terminal, type World } from "../terminal.ts";
import type { LogFlags } from "./service-log.ts";

/** What every command is given. */
export type App = {
  terminal: Terminal;
  env: NodeJS.ProcessEnv;
  stdin: NodeJS.ReadableStream;
  stderr: World["stderr"];
  /** Aborts at the first SIGINT or SIGTERM. */
  signal: AbortSignal;
  config: () => Promise<Config>;
};

/** The same with an open connection, which is closed when the command ends. */
export type Online = App & { connection: Connection };

/** Resolves to an exit code where the command has a “no” of its own, else to nothing. */
type Work<A, O> = (app: A, options: O, args: string[]) => Promise<number | undefined> | Promise<void>;

/** Turns a function into a commander action; `online` opens and closes the connection around it. */
export type Act = {
  offline<O>(work: Work<App, O>): (...raw: unknown[]) => Promise<void>;
  online<O>(work: Work<Online, O>, patience?: { patient: boolean }): (...raw: unknown[]) => Promise<void>;
};

export type Register = (command: Command, act: Act) => void;

export function createAct(world: World, setExitCode: (code: number) => void): Act {
  const offline: Act["offline"] =
    (work) =>
    async (...raw) => {
      const { options, args } = split(raw);
      const flags = options as ConnectionFlags & { json?: boolean };
      const terminal = createTerminal(world, { json: flags.json === true });
      const { env, stdin, stderr, signal } = world;
      const config = async () => (await import("../config.ts")).resolveConfig(flags, env);
      const app = { terminal, env, stdin, stderr, signal, config };
      const code = await work(app, options as never, args);
      setExitCode(typeof code === "number" ? code : 0);
    };
  return {
    offline,
    online: (work, { patient } = { patient: false }) =>
      offline(async (app, options, args) => {
        const log = patient ? await logOf(app, options as LogFlags, args) : undefined;
        const note = log?.note ?? app.terminal.note;
        const connection = await openConnectionFor(app, { patient, note });
        try {
          const online = { ...app, terminal: { ...app.terminal, note }, connection };
          const code = await work(online, options as never, args);
          return typeof code === "number" ? code : undefined;
        } finally {
          await connection.close();
          await log?.flush();
        }
      }),
  };
}

/** A service waits for its broker; a one-shot command fails within its timeout. */
async function openConnectionFor(
  { config, signal }: App,
  { patient, note }: { patient: boolean; note: Note },
): Promise<Connection> {
  const { openConnection } = await import("../jetstream/connection.ts");
  const { connection: settings } = await config();
  const times = patient
    ? { patienceMs: settings.connectTimeoutMs }
    : { connectTimeoutMs: settings.timeoutMs };
  return openConnection({ ...settings, ...times }, note, signal);
}

async function logOf(app: App, flags: LogFlags, args: string[]) {
  const { openServiceLog } = await import("./service-log.ts");
  const [only = "orderctl", ...others] = args;
  return openServiceLog(app, flags, { service: others.length > 0 ? "orderctl" : only });
}

/** Commander calls an action with the arguments one by one, then the options, then the command itself. */
function split(raw: unknown[]): { options: unknown; args: string[] } {
  const args = raw.slice(0, -2).flat();
  return { options: raw.at(-2), args: args.filter((arg) => arg !== undefined).map(String) };
}
