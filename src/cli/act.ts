import type { Command } from "commander";
import { OrderctlError } from "../core/errors.ts";
import type { Flow } from "../flow/flow.ts";
import type { Connection } from "../jetstream/client/connection.ts";
import { createTerminal, type Terminal, type World } from "../terminal/terminal.ts";
import type { Config, ConnectionFlags, OwnServer } from "./config.ts";
import type { FlowProgram } from "./program.ts";
import type { LogFlags } from "./service-log.ts";

/** What every command is given. */
export type App = {
  program: FlowProgram;
  flow: Flow;
  terminal: Terminal;
  env: NodeJS.ProcessEnv;
  stdin: NodeJS.ReadableStream;
  stderr: World["stderr"];
  /** Aborts at the first SIGINT or SIGTERM. */
  signal: AbortSignal;
  /** The command line as it was typed. */
  argv: readonly string[];
  /** The settings in force; those for a broker of our own where its address is given: only times are taken from the flags. */
  config: (own?: OwnServer) => Promise<Config>;
};

/** The same with an open connection, which is closed when the command ends. */
export type Online = App & { connection: Connection };

/** Resolves to an exit code where the command has a “no” of its own, else to nothing. */
type Work<A, O> = (app: A, options: O, args: string[]) => Promise<number | undefined> | Promise<void>;

/** A service is patient: it waits for its broker. `check` refuses what the broker has not to be asked for. */
type OnlineWork<O> = { patient?: boolean; check?: (options: O, args: string[]) => unknown };

/** Turns a function into a commander action; `online` opens and closes the connection around it. */
export type Act = {
  offline<O>(work: Work<App, O>): (...raw: unknown[]) => Promise<void>;
  online<O>(work: Work<Online, O>, of?: OnlineWork<O>): (...raw: unknown[]) => Promise<void>;
};

export type Register = (command: Command, act: Act, program: FlowProgram) => void;

type Calling = {
  program: FlowProgram;
  /** The command line as it was typed. */
  argv: readonly string[];
  setExitCode: (code: number) => void;
};

export function createAct(world: World, { program, argv, setExitCode }: Calling): Act {
  const offline: Act["offline"] =
    (work) =>
    async (...raw) => {
      const { options, args } = split(raw);
      const flags = options as ConnectionFlags & { json?: boolean };
      const terminal = createTerminal(world, { json: flags.json === true });
      const { env, stdin, stderr, signal } = world;
      const config = (own?: OwnServer) => findConfig(flags, env, own);
      const app = { program, flow: program.flow, terminal, env, stdin, stderr, signal, argv, config };
      const code = await work(app, options as never, args);
      setExitCode(typeof code === "number" ? code : 0);
    };
  return {
    offline,
    online: (work, { patient = false, check } = {}) =>
      offline(async (app, options, args) => {
        check?.(options as never, args);
        const log = patient ? await logOf(app, options as LogFlags, args) : undefined;
        const note = log?.note ?? app.terminal.note;
        const noting = { ...app, terminal: { ...app.terminal, note } };
        try {
          return await goOnline(noting, patient, (online) => work(online, options as never, args));
        } finally {
          await log?.flush();
        }
      }),
  };
}

/** Whoever names no broker means the one in the background, if one runs; who names that one has its key as well. */
async function findConfig(
  flags: ConnectionFlags,
  env: NodeJS.ProcessEnv,
  own: OwnServer | undefined,
): Promise<Config> {
  const { ownBrokerConfig, resolveConfig } = await import("./config.ts");
  if (own !== undefined) return ownBrokerConfig(flags, own);
  const config = resolveConfig(flags, env);
  if (config.serverGiven && !isHere(config.connection.servers)) return config;
  const { findBackgroundServer } = await import("../broker/background-broker.ts");
  return resolveConfig(flags, env, await findBackgroundServer(env));
}

const isHere = (servers: readonly string[]): boolean =>
  servers.every((server) => new URL(server).hostname === "127.0.0.1");

async function goOnline(
  app: App,
  patient: boolean,
  work: (online: Online) => ReturnType<Work<Online, never>>,
): Promise<number | undefined> {
  const connection = await openConnectionFor(app, patient);
  try {
    // A service waits itself for the end of its connection, and stops in good order then.
    const ending = patient ? [] : [lost(connection)];
    const code = await Promise.race([work({ ...app, connection }), ...ending]);
    return typeof code === "number" ? code : undefined;
  } catch (thrown) {
    throw await explained(thrown, connection);
  } finally {
    await connection.close();
  }
}

/** Rejects when the connection ends before the work does; never resolves. */
const lost = (connection: Connection): Promise<never> =>
  new Promise((_, reject) => void connection.closed.then((error) => error && reject(error)));

/**
 * What only the connection knows: whom the broker refuses, since a permission is missing to a user, not to a command; and
 * that the broker is one of several, which may be too few.
 */
async function explained(thrown: unknown, { user, isClustered, apiPrefix }: Connection): Promise<unknown> {
  if (!(thrown instanceof OrderctlError)) return thrown;
  const { code, message, hint, fault } = thrown;
  if (code === "denied") {
    const denied = { hint: hint ?? "use a user that may: --context, --creds or --user", cause: thrown };
    return new OrderctlError(code, `${message} (${user})`, { ...denied, fault });
  }
  if (code === "no_responders" && apiPrefix !== "$JS.API") {
    const asked = `nobody answers on ${apiPrefix}: is --js-domain (jetstream_domain in the context) right?`;
    return new OrderctlError(code, message, { hint: asked, cause: thrown, fault });
  }
  const isOpen = hint === undefined && (code === "timeout" || code === "unavailable");
  if (!isOpen || !isClustered() || fault !== "broker") return thrown;
  return new OrderctlError(code, message, { hint: quorumHint, cause: thrown, fault });
}

const quorumHint =
  "are more than half of the cluster's servers up? after one was lost, a new leader takes up to 10 s";

/** A service waits for its broker, at work for ever; a one-shot command fails within its timeout. */
async function openConnectionFor({ config, signal, terminal }: App, patient: boolean): Promise<Connection> {
  const { openConnection } = await import("../jetstream/client/connection.ts");
  const { connection: settings } = await config();
  const times = patient
    ? { patienceMs: settings.connectTimeoutMs, giveUpMs: Number.POSITIVE_INFINITY }
    : { connectTimeoutMs: settings.timeoutMs };
  return openConnection({ ...settings, ...times }, terminal.note, signal);
}

async function logOf(app: App, flags: LogFlags, args: string[]) {
  const { openServiceLog } = await import("./service-log.ts");
  return openServiceLog(app, flags, { services: args });
}

/** Commander calls an action with the arguments one by one, then the options, then the command itself. */
function split(raw: unknown[]): { options: unknown; args: string[] } {
  const args = raw.slice(0, -2).flat();
  return { options: raw.at(-2), args: args.filter((arg) => arg !== undefined).map(String) };
}
