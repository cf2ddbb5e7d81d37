import { setTimeout as wait } from "node:timers/promises";
import { connect, createInbox, DebugEvents, Events, type JetStreamManager, type NatsConnection } from "nats";
import { OrderctlError } from "../errors.ts";
import type { Note } from "../note.ts";
import { type ConnectionConfig, connectionOptions } from "./connection-config.ts";
import { installFastParser } from "./fast-parser.ts";
import { FrameWriter } from "./frame-writer.ts";
import { fromNats } from "./nats-error.ts";

/**
 * An open connection. `onReconnect` callbacks run, in the order they were added, each time the broker is back;
 * whatever was written and not acknowledged before that moment may be lost and is theirs to send again.
 */
export type Connection = {
  readonly nats: NatsConnection;
  readonly jsm: JetStreamManager;
  /** For what is written per message. */
  readonly frames: FrameWriter;
  readonly timeoutMs: number;
  readonly isConnected: () => boolean;
  readonly version: string;
  /** A fresh reply subject that only this program listens on. */
  newInbox(): string;
  onReconnect(callback: () => void): void;
  onDenied(callback: (subject: string) => void): void;
  /** Subjects on which a refusal is no news. */
  readonly optional: Set<string>;
  /** Resolves when the connection is closed for good, with what ended it unless `close` did. */
  readonly closed: Promise<OrderctlError | undefined>;
  readonly server: string;
  close(): Promise<void>;
};

/**
 * Connects and stays connected: reconnects for ever, waiting `reconnectWaitMs` between tries, with one line to
 * `note` for each disconnect and each reconnect. Rejects with `unavailable`, `denied` or `timeout`, and with an
 * AbortError when `signal` aborts first.
 */
export async function openConnection(
  config: ConnectionConfig,
  note: Note = () => {},
  signal?: AbortSignal,
): Promise<Connection> {
  const nats = await connectWithin(config, note, signal);
  installFastParser(nats);
  const jsm = await nats.jetstreamManager({ checkAPI: false, timeout: config.timeoutMs });
  return watch({ nats, jsm }, config, note);
}

async function connectWithin(
  config: ConnectionConfig,
  note: Note,
  signal: AbortSignal | undefined,
): Promise<NatsConnection> {
  const { patienceMs, reconnectWaitMs, servers } = config;
  const deadline = Date.now() + patienceMs;
  const options = connectionOptions(config);
  for (let attempt = 1; ; attempt++) {
    try {
      return await connect(options);
    } catch (thrown) {
      const error = unreachable(thrown, config);
      if (error.code === "denied" || Date.now() + reconnectWaitMs > deadline) throw error;
      if (attempt === 1) note(`no broker at ${shown(servers)} yet; trying for ${patienceMs / 1000} s`);
      await wait(reconnectWaitMs, undefined, { signal });
    }
  }
}

function unreachable(thrown: unknown, { servers }: ConnectionConfig): OrderctlError {
  const error = fromNats(thrown, `connect to ${shown(servers)}`);
  if (error.code !== "unavailable") return error;
  const hint = "start one with `orderctl broker start` or `orderctl up`, or name yours with --server";
  return new OrderctlError(error.code, error.message, { hint, cause: thrown });
}

/** Without credentials. */
const shown = (servers: readonly string[]): string =>
  servers.map((server) => server.replace(/^([a-z]+:\/\/)?.*@/i, "$1")).join(", ");

type Client = Pick<Connection, "nats" | "jsm">;

function watch({ nats, jsm }: Client, config: ConnectionConfig, note: Note): Connection {
  const frames = new FrameWriter(nats);
  const watched: Watched = { connected: true, reconnected: [], denied: [], optional: new Set() };
  void follow(nats, handlersOf(nats, watched, { ...config, note }));
  return {
    nats,
    jsm,
    frames,
    optional: watched.optional,
    timeoutMs: config.timeoutMs,
    isConnected: () => watched.connected,
    version: nats.info?.version ?? "unknown",
    newInbox: () => createInbox(config.inboxPrefix),
    onReconnect: (callback) => void watched.reconnected.push(callback),
    onDenied: (callback) => void watched.denied.push(callback),
    closed: nats
      .closed()
      .then((cause) => (cause ? fromNats(cause, "stay connected to the broker") : undefined)),
    server: `nats://${nats.getServer()}`,
    close() {
      frames.flush();
      return watched.connected ? nats.drain() : nats.close();
    },
  };
}

type Watched = {
  connected: boolean;
  reconnected: (() => void)[];
  denied: ((subject: string) => void)[];
  optional: Set<string>;
};

type StatusHandlers = Record<string, (subject: string | undefined) => void>;

function handlersOf(
  nats: NatsConnection,
  watched: Watched,
  { reconnectWaitMs, note }: { reconnectWaitMs: number; note: Note },
): StatusHandlers {
  let lostAt = 0;
  return {
    [Events.Disconnect]: () => {
      if (!watched.connected) return;
      watched.connected = false;
      lostAt = performance.now();
      note(`lost the broker at ${nats.getServer()}; trying again every ${reconnectWaitMs} ms`);
    },
    [Events.Reconnect]: () => {
      watched.connected = true;
      const away = ((performance.now() - lostAt) / 1000).toFixed(1);
      note(`back at the broker ${nats.getServer()} after ${away} s`, {}, "info");
      for (const callback of watched.reconnected) callback();
    },
    [Events.Error]: (subject) => {
      if (subject === undefined) return;
      if (!watched.optional.has(subject)) note(`the broker refuses access to ${subject}`);
      for (const callback of watched.denied) callback(subject);
    },
    [DebugEvents.StaleConnection]: () => note("the broker stopped answering"),
  };
}

async function follow(nats: NatsConnection, on: StatusHandlers): Promise<void> {
  for await (const status of nats.status()) {
    on[status.type]?.(status.permissionContext?.subject);
  }
}
