import { isOlder } from "../../core/compare-versions.ts";
import { parseTimestampUs } from "../streams/read-message.ts";
import type { Connection } from "./connection.ts";
import { fromNats } from "./nats-error.ts";

/** How this machine's clock differs from the broker's. */
export type ClockDifference = {
  /**
   * How far this machine's clock is ahead, negative when it is behind; `null` when the broker does not tell its time.
   */
  aheadMs: number | null;
  /** The possible error of `aheadMs`: half the round trip of the request. */
  errorMs: number | null;
};

/** The broker's time, the only one to compare with the times of stored messages. */
export type BrokerClock = {
  readonly difference: ClockDifference;
  /** Unix µs by the broker's clock, or by this machine's when the broker does not tell its time. */
  nowUs(): number;
};

/** Stream and consumer info carries the server's time since this version. */
const oldestTelling = "2.10.0";

/** Every server, older ones included, answers users of an account with its time here. */
const serverQuestion = "$SYS.REQ.ACCOUNT.PING.STATZ";

/**
 * Reads the clock by which a stream's messages are stored: that of its leader, else that of any server of the broker.
 * The returned clock then advances with the monotonic clock, even when this machine's clock is set. Never rejects: an
 * error here also stops the caller's own requests, which can report it better.
 */
export async function readBrokerClock(connection: Connection, stream: string): Promise<BrokerClock> {
  const reading = (await readFromStream(connection, stream)) ?? (await readFromServer(connection));
  const { atUs, monotonicMs, difference } = reading ?? readOwn();
  return { difference, nowUs: () => atUs + Math.round((performance.now() - monotonicMs) * 1000) };
}

/** How far this machine's clock is ahead of the broker's, kept up to date in a long-running process. */
export type FollowedClock = {
  /** In µs, negative when it is behind; 0 until it is known. Hot path. */
  aheadUs(): number;
  stop(): void;
};

const everyMs = 60_000;

/** Reads the clock now, every minute and after each reconnect, since clocks are set while a process runs. */
export function followBrokerClock(
  connection: Connection,
  stream: string,
  onReading: (difference: ClockDifference) => void,
): FollowedClock {
  let ahead = 0;
  const read = async () => {
    const { difference } = await readBrokerClock(connection, stream);
    if (!connection.isConnected()) return;
    ahead = Math.round((difference.aheadMs ?? 0) * 1000);
    onReading(difference);
  };
  void read();
  const timer = setInterval(read, everyMs);
  timer.unref();
  connection.onReconnect(() => void read());
  return { aheadUs: () => ahead, stop: () => clearInterval(timer) };
}

type Reading = {
  /** The broker's time, Unix µs, when the monotonic clock stood at `monotonicMs`. */
  atUs: number;
  monotonicMs: number;
  difference: ClockDifference;
};

const readOwn = (): Reading => ({
  atUs: Date.now() * 1000,
  monotonicMs: performance.now(),
  difference: { aheadMs: null, errorMs: null },
});

function readFromStream({ jsm, version }: Connection, stream: string): Promise<Reading | undefined> {
  if (isOlder(version, oldestTelling)) return Promise.resolve(undefined);
  return timed(async () => {
    const { ts }: { ts?: unknown } = await jsm.streams.info(stream);
    return ts;
  });
}

/**
 * Connections whose user may not ask the server. They ask only once, since each refusal is a line in the server's log.
 */
const refused = new WeakSet<Connection>();

async function readFromServer(connection: Connection): Promise<Reading | undefined> {
  if (refused.has(connection)) return undefined;
  const { nats, timeoutMs: timeout } = connection;
  return timed(async () => {
    const answer = await nats.request(serverQuestion, undefined, { timeout }).catch((thrown) => {
      if (fromNats(thrown, "read the clock").code === "denied") refused.add(connection);
      throw thrown;
    });
    return answer.json<{ server?: { time?: unknown } }>().server?.time;
  });
}

/** Takes the answer to be from the middle of the round trip. Undefined when there is no answer. */
async function timed(ask: () => Promise<unknown>): Promise<Reading | undefined> {
  const ownMs = Date.now();
  const startedAt = performance.now();
  const told = await ask().catch(() => undefined);
  const errorMs = (performance.now() - startedAt) / 2;
  const atUs = typeof told === "string" ? parseTimestampUs(told) : Number.NaN;
  if (Number.isNaN(atUs)) return undefined;
  const aheadMs = ownMs + errorMs - atUs / 1000;
  return { atUs, monotonicMs: startedAt + errorMs, difference: { aheadMs, errorMs } };
}
