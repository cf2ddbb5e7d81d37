import type { Command } from "commander";
import { openArchivedLog } from "../archive/open-archived-log.ts";
import { OrderctlError } from "../core/errors.ts";
import { type ArchivedLog, nothingArchived } from "../flow/archived-log.ts";
import type { Flow } from "../flow/flow.ts";
import type { Connection } from "../jetstream/client/connection.ts";
import { createTerminal, type Terminal, type World } from "../terminal/terminal.ts";
import type { Config, ConnectionFlags, OwnServer } from "./config.ts";
import type { FlowProgram } from "./flow-program.ts";
import { hintText } from "./hints.ts";
import type { LogFlags } from "./service-log.ts";

/** What every command receives. */
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
  /**
   * The settings in force. With `own`, the settings for a broker that orderctl runs itself: then only the time limits
   * are taken from the flags.
   */
  config: (own?: OwnServer) => Promise<Config>;
};

/**
 * `App` with an open connection, which is closed when the command ends, and what the archive holds of the flow's log.
 */
export type Online = App & { connection: Connection; archive: ArchivedLog };

/**
 * Resolves to an exit code if the command can end with a negative result that is no error (an audit that finds faults),
 * else to undefined.
 */
type Work<A, O> = (app: A, options: O, args: string[]) => Promise<number | undefined> | Promise<void>;

/**
 * `patient`: for a service, which waits for its broker. `check` throws for options that can be refused without asking
 * the broker.
 */
type OnlineWork<O> = { patient?: boolean; check?: (options: O, args: string[]) => unknown };

/**
 * Turns a function into a commander action; `online` opens a connection before the function and closes it afterwards.
 */
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
      const config = (own?: OwnServer) => configOf(flags, env, own);
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

/** If no server is named, the background broker is used if it runs; if its address is named, its key is used. */
export async function configOf(
  flags: ConnectionFlags,
  env: NodeJS.ProcessEnv,
  own?: OwnServer,
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
    // A service itself waits for the end of its connection and then stops in order.
    const ending = patient ? [] : [lost(connection)];
    const code = await Promise.race([work(onlineWith(app, connection)), ...ending]);
    return typeof code === "number" ? code : undefined;
  } catch (thrown) {
    throw await explained(thrown, connection);
  } finally {
    await connection.close();
  }
}

/** What a command receives once it is connected. */
export const onlineWith = (app: App, connection: Connection): Online => ({
  ...app,
  connection,
  archive: app.flow.isManaged ? openArchivedLog(connection, app.flow, app.env) : nothingArchived,
});

/** Rejects when the connection ends with an error before the work is done; never resolves. */
const lost = (connection: Connection): Promise<never> =>
  new Promise((_, reject) => void connection.closed.then((error) => error && reject(error)));

/**
 * Adds to an error what only the connection knows: the user who lacks a permission, a JetStream API prefix on which
 * nobody answers, or that the broker is a cluster that may have lost its quorum.
 */
async function explained(thrown: unknown, { user, isClustered, apiPrefix }: Connection): Promise<unknown> {
  if (!(thrown instanceof OrderctlError)) return thrown;
  const { code, message, source } = thrown;
  const hint = hintText(thrown.hint);
  if (code === "denied") {
    const denied = { hint: hint ?? "use a user that may: --context, --creds or --user", cause: thrown };
    return new OrderctlError(code, `${message} (${user})`, { ...denied, source });
  }
  if (code === "no_responders" && apiPrefix !== "$JS.API") {
    const asked = `nobody answers on ${apiPrefix}: is --js-domain (jetstream_domain in the context) right?`;
    return new OrderctlError(code, message, { hint: asked, cause: thrown, source });
  }
  const isOpen = hint === undefined && (code === "timeout" || code === "unavailable");
  if (!isOpen || !isClustered() || source !== "broker") return thrown;
  return new OrderctlError(code, message, { hint: quorumHint, cause: thrown, source });
}

const quorumHint =
  "are more than half of the cluster's servers up? after one was lost, a new leader takes up to 10 s";

/**
 * A service waits for its broker: up to the connect timeout at its start, without limit once it works. A one-shot
 * command fails within its timeout.
 */
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
