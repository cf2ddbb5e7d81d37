import { setTimeout as wait } from "node:timers/promises";
import {
  type ConnectionOptions,
  connect,
  createInbox,
  DebugEvents,
  ErrorCode,
  Events,
  type JetStreamManager,
  type NatsConnection,
  type NatsError,
} from "nats";
import { isOlder } from "../../core/compare-versions.ts";
import { OrderctlError } from "../../core/errors.ts";
import type { Note } from "../../core/note.ts";
import { SparseNotes } from "../../core/sparse-notes.ts";
import { untilAborted, within } from "../../core/waiting.ts";
import { connectError, shown } from "./connect-error.ts";
import { type ConnectionConfig, connectionOptions, tellUnreadable } from "./connection-config.ts";
import { installFastParser } from "./fast-parser.ts";
import { FrameWriter } from "./frame-writer.ts";
import { innerConnection } from "./internals.ts";
import { fromNats, noPermission } from "./nats-error.ts";
import { remedy } from "./remedies.ts";

/**
 * An open connection to the broker. `onReconnect` callbacks run, in the order they were added, each time the connection
 * is back. Messages that were written and not acknowledged before that may be lost; whoever wrote them sends them
 * again. `onReconnect`, `onDenied` and `onUnread` each return a function that removes the callback.
 */
export type Connection = {
  readonly nats: NatsConnection;
  readonly jsm: JetStreamManager;
  /** Writes messages and acknowledgements on the hot path, instead of the client's own `publish`. */
  readonly frames: FrameWriter;
  readonly timeoutMs: number;
  /** How the subject of every JetStream API request begins: `$JS.API`, or `$JS.<domain>.API` for a domain. */
  readonly apiPrefix: string;
  /**
   * How long a publisher holds and resends a message that the broker does not store before it rejects; infinite for a
   * service.
   */
  readonly giveUpMs: number;
  /** Writes a line for the operator. */
  readonly note: Note;
  readonly isConnected: () => boolean;
  /** True when the broker belongs to a cluster, whose streams may have no leader for a while. */
  readonly isClustered: () => boolean;
  /** How notes and errors name the user that this program connects as. */
  readonly user: string;
  readonly version: string;
  /** A fresh reply subject that only this program listens on. */
  newInbox(): string;
  onReconnect(callback: () => void): () => void;
  /**
   * Calls `callback` with each subject that the broker refuses this user. One that answers true makes an error of it:
   * then no line is written.
   */
  onDenied(callback: (subject: string) => unknown): () => void;
  /** Calls `callback` when the broker ends the connection because it could not parse what this program sent. */
  onUnread(callback: (error: OrderctlError) => void): () => void;
  /**
   * Resolves when the connection is closed for good: with undefined after `close`, else with the error that ended it.
   * Also resolves with `denied` when the connection is of no use, because the broker refuses this user's pull requests
   * or keeps refusing its credentials.
   */
  readonly closed: Promise<OrderctlError | undefined>;
  readonly server: string;
  close(): Promise<void>;
};

/**
 * Connects and stays connected: reconnects for ever, waiting `reconnectWaitMs` between tries, with one line to `note`
 * for each disconnect and each reconnect. Rejects with `usage` for a credentials or TLS file that cannot be used, with
 * `unavailable`, `denied` or `timeout`, and with an AbortError when `signal` aborts first.
 */
export async function openConnection(
  config: ConnectionConfig,
  note: Note = () => {},
  signal?: AbortSignal,
): Promise<Connection> {
  const { options, who, files } = connectionOptions(config, note);
  const nats = await connectWithin({ ...config, options, who }, note, signal);
  const { timeoutMs, apiPrefix = defaultApiPrefix } = config;
  const jsm = await nats.jetstreamManager({ checkAPI: false, timeout: timeoutMs, apiPrefix });
  return watch({ nats, jsm, user: who, apiPrefix, files }, config, note);
}

export const defaultApiPrefix = "$JS.API";

export const isDomain = (apiPrefix: string): boolean => /^\$JS\.[^.]+\.API$/.test(apiPrefix);

type Connecting = ConnectionConfig & { options: ConnectionOptions; who: string };

async function connectWithin(
  config: Connecting,
  note: Note,
  signal: AbortSignal | undefined,
): Promise<NatsConnection> {
  const { patienceMs, reconnectWaitMs, servers, who } = config;
  const deadline = Date.now() + patienceMs;
  for (let attempt = 1; ; attempt++) {
    try {
      return await connectOnce(config, signal);
    } catch (thrown) {
      signal?.throwIfAborted();
      const error = await connectError(thrown, config, who);
      if (isLasting(error, thrown) || Date.now() + reconnectWaitMs > deadline) throw error;
      if (attempt === 1) note(`no broker at ${shown(servers)} yet; trying for ${patienceMs / 1000} s`);
      await wait(reconnectWaitMs, undefined, { signal });
    }
  }
}

/** A broker that goes away before it has answered `checkBroker` counts as not there yet: the caller tries again. */
async function connectOnce(config: Connecting, signal: AbortSignal | undefined): Promise<NatsConnection> {
  const nats = await connectUnlessAborted(config.options, signal);
  installFastParser(nats);
  try {
    await checkBroker(nats, config, config.who);
    return nats;
  } catch (thrown) {
    await nats.close();
    throw thrown;
  }
}

/**
 * True for an error that another try does not change: refused credentials, or an error of `checkBroker` with a hint,
 * which asks somebody to act.
 */
const isLasting = (error: OrderctlError, thrown: unknown): boolean =>
  error.code === "denied" || (error === thrown && error.hint !== undefined);

type Client = Pick<Connection, "nats" | "jsm" | "user" | "apiPrefix"> & { files: string[] };

function watch(client: Client, config: ConnectionConfig, note: Note): Connection {
  const { nats, jsm, user, apiPrefix } = client;
  const frames = new FrameWriter(nats);
  const watched: Watched = { connected: true, reconnected: new Set(), denied: new Set(), unread: new Set() };
  const useless = new Promise<OrderctlError>((resolve) => {
    watched.denied.add((subject) => {
      if (subject.startsWith(`${apiPrefix}.CONSUMER.MSG.NEXT.`)) resolve(noWork(subject));
    });
    const onRefused = refusalsOf(client, { note, patienceMs: config.connectTimeoutMs }, resolve);
    void follow(nats, handlersOf(nats, watched, { ...config, user, note, onRefused }));
  });
  return {
    nats,
    jsm,
    user,
    frames,
    timeoutMs: config.timeoutMs,
    apiPrefix,
    giveUpMs: config.giveUpMs ?? Number.POSITIVE_INFINITY,
    note,
    isConnected: () => watched.connected,
    isClustered: () => nats.info?.cluster !== undefined,
    version: nats.info?.version ?? "unknown",
    newInbox: () => createInbox(config.inboxPrefix),
    onReconnect(callback) {
      watched.reconnected.add(callback);
      return () => void watched.reconnected.delete(callback);
    },
    onDenied(callback) {
      watched.denied.add(callback);
      return () => void watched.denied.delete(callback);
    },
    onUnread(callback) {
      watched.unread.add(callback);
      return () => void watched.unread.delete(callback);
    },
    closed: Promise.race([useless, nats.closed().then((cause) => (cause ? givenUp(cause) : undefined))]),
    server: `nats://${nats.getServer()}`,
    async close() {
      frames.flush();
      // A broker that hangs never completes the drain.
      const drainMs = Math.max(config.timeoutMs, leastDrainMs);
      if (watched.connected) await within(nats.drain(), drainMs, "").catch(() => undefined);
      await nats.close();
    },
  };
}

/** Even a caller with a short timeout waits this long for its last writes to reach the broker. */
const leastDrainMs = 1000;

const noWork = (subject: string): OrderctlError =>
  new OrderctlError("denied", `cannot take messages: ${noPermission({ operation: "publish", subject })}`, {
    hint: remedy("other_user"),
  });

/**
 * The client reconnects for ever, so it closes by itself only after the broker has refused this user twice. The error
 * that it reports does not always say so.
 */
function givenUp(cause: Error): OrderctlError {
  const what = "stay connected to the broker";
  const error = fromNats(cause, what);
  return error.code === "denied"
    ? error
    : new OrderctlError("denied", `cannot ${what}: authorization violation`, { cause });
}

/**
 * Tolerates refusals while credentials are read from files, since a file may hold valid ones at the next connect: calls
 * `end` when refusals have gone on for `patienceMs`. The returned function is called with true when the broker refuses
 * this user and with false when it accepts this user.
 */
function refusalsOf(
  { user, files }: Client,
  { note, patienceMs }: { note: Note; patienceMs: number },
  end: (error: OrderctlError) => void,
): (refused: boolean) => void {
  const seconds = `${patienceMs / 1000} s`;
  let since: number | undefined;
  return (refused) => {
    if (!refused) since = undefined;
    else if (files.length === 0) return;
    else if (since === undefined) {
      since = performance.now();
      note(`the broker refuses ${user}; trying for ${seconds} with what ${files.join(", ")} holds by then`);
    } else if (performance.now() - since > patienceMs) {
      end(
        new OrderctlError(
          "denied",
          `cannot stay connected to the broker: authorization violation for ${seconds}`,
          {
            hint: remedy("expected_credentials", files.join(" or ")),
          },
        ),
      );
    }
  };
}

type Watched = {
  connected: boolean;
  reconnected: Set<() => void>;
  denied: Set<(subject: string) => unknown>;
  unread: Set<(error: OrderctlError) => void>;
};

type Refused = { operation: string; subject: string };

type StatusHandlers = Record<string, (refused: Refused | undefined, code: unknown) => void>;

const authErrors: readonly unknown[] = [
  ErrorCode.AuthorizationViolation,
  ErrorCode.AuthenticationExpired,
  ErrorCode.AccountExpired,
];

/**
 * The broker's error texts before it ends a connection on which it received something that is not the client protocol.
 */
const unreadWords = /unknown protocol operation|parser error|maximum control line/i;

/** The status event carries only an error code; the client keeps the text of its last error. */
function tellUnread(nats: NatsConnection, { unread: told }: Watched): void {
  const said = innerConnection(nats).protocol.lastError?.message ?? "";
  if (!unreadWords.test(said)) return;
  for (const callback of told) callback(unread(said));
}

const unread = (said: string): OrderctlError =>
  new OrderctlError("internal", `the broker could not read what was sent and ended the connection: ${said}`, {
    hint: remedy("report_fault"),
    source: "message",
  });

/** True for refusals that no caller learns of: all other refusals make a request or a publish fail. */
const isSilent = ({ operation, subject }: Refused): boolean =>
  operation === "subscription" || subject.startsWith("$JS.ACK.");

type Followed = Pick<ConnectionConfig, "tls"> & {
  reconnectWaitMs: number;
  user: string;
  note: Note;
  onRefused: (refused: boolean) => void;
};

function handlersOf(
  nats: NatsConnection,
  watched: Watched,
  { reconnectWaitMs, user, note, onRefused, tls }: Followed,
): StatusHandlers {
  let lostAt = 0;
  const refusals = new SparseNotes(note);
  return {
    [Events.Disconnect]: () => {
      if (!watched.connected) return;
      watched.connected = false;
      lostAt = performance.now();
      note(`lost the broker at ${nats.getServer()}; trying again every ${reconnectWaitMs} ms`);
    },
    [Events.Reconnect]: () => {
      watched.connected = true;
      onRefused(false);
      const away = ((performance.now() - lostAt) / 1000).toFixed(1);
      note(`back at the broker ${nats.getServer()} after ${away} s`, {}, "info");
      for (const callback of watched.reconnected) callback();
    },
    [Events.Error]: (refused, code) => {
      if (authErrors.includes(code)) onRefused(true);
      if (code === ErrorCode.ProtocolError) tellUnread(nats, watched);
      if (refused === undefined) return;
      const isTold = [...watched.denied].map((callback) => callback(refused.subject)).includes(true);
      if (isSilent(refused) && !isTold) refusals.add(`${user}: ${noPermission(refused)}`);
    },
    [DebugEvents.Reconnecting]: tellUnreadable(tls, note),
    [DebugEvents.StaleConnection]: () => note("the broker stopped answering"),
  };
}

async function follow(nats: NatsConnection, on: StatusHandlers): Promise<void> {
  for await (const status of nats.status()) {
    on[status.type]?.(status.permissionContext, status.data);
  }
}

/**
 * Connects, or rejects with the signal's reason as soon as the signal aborts. The client cannot be told to stop trying:
 * a connection that it opens after the abort is closed.
 */
export async function connectUnlessAborted(
  options: ConnectionOptions,
  signal: AbortSignal | undefined,
): Promise<NatsConnection> {
  if (!signal) return connect(options);
  signal.throwIfAborted();
  const connecting = connect(options);
  const connection = await untilAborted(connecting, signal);
  if (connection) return connection;
  void connecting.then((late) => late.close()).catch(() => undefined);
  throw signal.reason;
}

const oldest = "2.9.10";

/**
 * Rejects with `unavailable` when the broker is too old, and with `denied` when this user may not subscribe to its
 * inbox, since no answer would ever arrive. One round trip.
 */
export async function checkBroker(
  nats: NatsConnection,
  { inboxPrefix = "_INBOX" }: ConnectionConfig,
  who: string,
): Promise<void> {
  const version = nats.info?.version ?? "";
  if (isOlder(version, oldest)) {
    const text = `nats-server ${version} at nats://${nats.getServer()} is too old: ${oldest} is the oldest supported`;
    throw new OrderctlError("unavailable", text, {
      hint: remedy("update_broker"),
    });
  }
  let refusal: NatsError | null = null;
  const callback = (error: NatsError | null) => {
    refusal ??= error;
  };
  const subscription = nats.subscribe(`${createInbox(inboxPrefix)}.*`, { callback });
  try {
    await nats.flush();
  } catch (thrown) {
    throw fromNats(thrown, `talk to nats://${nats.getServer()}`);
  }
  if (refusal === null) return subscription.unsubscribe();
  throw new OrderctlError("denied", `${who} may not listen for answers on ${inboxPrefix}.>`, {
    hint: remedy("inbox_prefix"),
    cause: refusal,
  });
}
