import { isOlder } from "../../core/versions.ts";
import { parseTimestampUs } from "../streams/read-message.ts";
import type { Connection } from "./connection.ts";
import { fromNats } from "./nats-error.ts";

/** How this machine's clock stands to the broker's. */
export type ClockDifference = {
  /** What this machine's clock is ahead by, negative where it is behind; `null` where the broker does not tell its time. */
  aheadMs: number | null;
  /** What `aheadMs` may be wrong by: half the round trip of the question. */
  errorMs: number | null;
};

/** The broker's time, which is the only one that may be compared with the times of stored messages. */
export type BrokerClock = {
  readonly difference: ClockDifference;
  /** Unix µs by the broker's clock; by this machine's where the broker does not tell its time. */
  nowUs(): number;
};

/** Information about streams and consumers carries the server's time since this version. */
const oldestTelling = "2.10.0";

/** Every server answers its accounts' users with its time here, also those that are older. */
const serverQuestion = "$SYS.REQ.ACCOUNT.PING.STATZ";

/**
 * Reads the clock that a stream's messages are stored by: that of its leader, else that of any server of the broker. From then
 * on it counts on by the monotonic clock, whatever becomes of this machine's. Never rejects: what keeps it from reading keeps
 * the caller from its own work as well, which can tell it better.
 */
export async function readBrokerClock(connection: Connection, stream: string): Promise<BrokerClock> {
  const reading = (await readFromStream(connection, stream)) ?? (await readFromServer(connection));
  const { atUs, monotonicMs, difference } = reading ?? readOwn();
  return { difference, nowUs: () => atUs + Math.round((performance.now() - monotonicMs) * 1000) };
}

/** What this machine's clock is ahead by, for a process that runs for long. */
export type FollowedClock = {
  /** µs, negative where it is behind; 0 where it is not known, and until it is read. Hot path. */
  aheadUs(): number;
  stop(): void;
};

const everyMs = 60_000;

/** Reads the clock now, every minute and whenever the broker is back, since clocks are set while a process runs. */
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
  /** Unix µs, at this moment of the monotonic clock. */
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

/** Each refusal is a line in the server's log: who may not ask does so once. */
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

/** The answer is taken to be from the middle of the time that it took. Undefined where there is none. */
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
