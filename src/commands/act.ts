import type { Command } from "commander";
import type { Config, ConnectionFlags } from "../config.ts";
import type { Connection } from "../jetstream/connection.ts";
import { createTerminal, type Terminal, type World } from "../terminal.ts";

/** What every command is given. */
export type App = {
  terminal: Terminal;
  env: NodeJS.ProcessEnv;
  stdin: NodeJS.ReadableStream;
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
      const { env, stdin, signal } = world;
      const config = async () => (await import("../config.ts")).resolveConfig(flags, env);
      const app = { terminal, env, stdin, signal, config };
      const code = await work(app, options as never, args);
      setExitCode(typeof code === "number" ? code : 0);
    };
  return {
    offline,
    online: (work, { patient } = { patient: false }) =>
      offline(async (app, options, args) => {
        const { openConnection } = await import("../jetstream/connection.ts");
        const { connection: settings } = await app.config();
        // A service waits for its broker; a one-shot command fails within its timeout.
        const times = patient
          ? { patienceMs: settings.connectTimeoutMs }
          : { connectTimeoutMs: settings.timeoutMs };
        const connection = await openConnection({ ...settings, ...times }, app.terminal.note, app.signal);
        try {
          const code = await work({ ...app, connection }, options as never, args);
          return typeof code === "number" ? code : undefined;
        } finally {
          await connection.close();
        }
      }),
  };
}

/** Commander calls an action with the arguments one by one, then the options, then the command itself. */
function split(raw: unknown[]): { options: unknown; args: string[] } {
  const args = raw.slice(0, -2).flat();
  return { options: raw.at(-2), args: args.filter((arg) => arg !== undefined).map(String) };
}
