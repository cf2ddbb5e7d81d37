import { setTimeout as wait } from "node:timers/promises";
import { OrderctlError } from "../errors.ts";
import type { Connection } from "./connection.ts";
import { type CursorPlace, type CursorStart, ReplayCursor } from "./replay-cursor.ts";
import type { ReplayMessage } from "./replay-message.ts";

export type ReplayRange = CursorPlace & { signal: AbortSignal };

/** Cursors in a row that may bring nothing although there is something. */
const maxTries = 3;
const awayMs = 100;

/**
 * The messages of a range in stream order, each once, in batches; whatever the stream holds, two batches are in memory.
 * It goes on where it was after the broker was away, and ends early when the signal aborts. Rejects with `not_found` where
 * there is no such stream.
 */
export async function* readReplay(
  connection: Connection,
  { signal, ...place }: ReplayRange,
): AsyncGenerator<ReplayMessage[]> {
  let start: CursorStart = place.start;
  for (let tries = 1; !signal.aborted; tries += 1) {
    const cursor = await openCursor(connection, { ...place, start }, signal);
    for await (const batch of batchesOf(cursor, signal)) {
      tries = 0;
      start = { sequence: (batch.at(-1)?.sequence ?? 0) + 1 };
      yield batch;
    }
    if (cursor.pending === 0) return;
    if (tries >= maxTries) throw stuck(place.stream);
  }
}

async function* batchesOf(cursor: ReplayCursor, signal: AbortSignal): AsyncGenerator<ReplayMessage[]> {
  try {
    for (let batch = await cursor.next(signal); batch.length > 0; batch = await cursor.next(signal))
      yield batch;
  } finally {
    await cursor.close();
  }
}

/** How many messages there are from a place on. */
export async function countFrom(connection: Connection, place: CursorPlace): Promise<number> {
  const cursor = await ReplayCursor.open(connection, place);
  await cursor.close();
  return cursor.pending;
}

/** Waits for a broker that is away, for as long as the signal allows. */
async function openCursor(
  connection: Connection,
  place: CursorPlace,
  signal: AbortSignal,
): Promise<ReplayCursor> {
  for (;;) {
    while (!connection.isConnected() && !signal.aborted) await wait(awayMs);
    try {
      return await ReplayCursor.open(connection, place);
    } catch (thrown) {
      if (connection.isConnected() || signal.aborted) throw thrown;
    }
  }
}

const stuck = (stream: string): OrderctlError =>
  new OrderctlError("timeout", `stream ${stream} holds more messages, but the broker delivers none`);
