import type { Connection } from "../jetstream/client/connection.ts";
import { type Filling, type Room, readFilling } from "../jetstream/streams/stream-room.ts";

/**
 * What the broker holds in memory for an event in its log, in bytes. nats-server keeps an entry for each subject of a
 * stream, also with file storage, and each event has a subject of its own (nats-server#8485). Measured on 2.15.1:
 * 200,000 orders through all services, which are 992,000 events, took 525 MB of RAM: 2.6 kB an order.
 */
export const ramBytesPerEvent = 520;

/** From here on a log that nobody archives is worth a warning: 0.5 GB of RAM. */
export const manyEvents = 1_000_000;

/** What a log costs the broker that holds it. */
export type LogCost = {
  events: number;
  /** On disk, on one replica. */
  bytes: number;
  /** In memory, estimated. */
  ramBytes: number;
  /** How fast that grows, negative where it shrinks; `null` with one sample. */
  ramBytesPerS: number | null;
  /**
   * The limit that is reached first as long as the log grows as it does, and in how many seconds; `null` where no limit
   * is known, or no growth. How much memory the broker may use is not known.
   */
  full: { limit: Room["limit"]; inS: number } | null;
};

type Sample = Filling & { atMs: number };

/** Rates cover up to this time. */
const windowMs = 10_000;
/** A rate over less would be noise. */
const leastMs = 200;

/** What the log costs, at each call; undefined where there is no stream, or its state cannot be read. */
export function createLogMeter(connection: Connection, stream: string): () => Promise<LogCost | undefined> {
  const samples: Sample[] = [];
  return async () => {
    const filling = await readFilling(connection, stream).catch(() => undefined);
    if (!filling) return undefined;
    const now = { ...filling, atMs: performance.now() };
    const cost = costOf(now, samples[0]);
    samples.push(now);
    // The oldest one is kept until the next is old enough.
    while ((samples[1]?.atMs ?? Number.POSITIVE_INFINITY) < now.atMs - windowMs) samples.shift();
    return cost;
  };
}

/** `before` is an earlier sample; without one, nothing is known of growth. */
export function costOf(now: Sample, before?: Sample): LogCost {
  const { messages, bytes, rooms } = now;
  const seconds = before ? (now.atMs - before.atMs) / 1000 : 0;
  const isKnown = before !== undefined && seconds * 1000 >= leastMs;
  const perS = isKnown && {
    messages: (messages - before.messages) / seconds,
    bytes: (bytes - before.bytes) / seconds,
  };
  return {
    events: messages,
    bytes,
    ramBytes: messages * ramBytesPerEvent,
    ramBytesPerS: perS ? perS.messages * ramBytesPerEvent : null,
    full: perS ? firstFull(rooms, perS) : null,
  };
}

function firstFull(
  rooms: readonly Room[],
  perS: Readonly<Record<Room["of"], number>>,
): { limit: Room["limit"]; inS: number } | null {
  const ends = rooms
    .filter(({ of }) => perS[of] > 0)
    .map(({ limit, of, left }) => ({ limit, inS: left / perS[of] }));
  return ends.sort((a, b) => a.inS - b.inS)[0] ?? null;
}
