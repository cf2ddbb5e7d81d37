import { OrderctlError } from "../../core/errors.ts";
import type { Connection } from "../client/connection.ts";
import type { Delivery } from "../consume/delivery.ts";
import type { Processor } from "../consume/worker-options.ts";
import type { Publisher } from "../publish/publisher.ts";
import { Bucket } from "../streams/bucket.ts";

/** How often work on a suspect may be started without ending. */
const maxStarts = 3;

type Client = { connection: Connection; publisher: Publisher };
type Place = { bucket: string; prefix: string; maxAttempts: number };

/**
 * Keeps a message from ending the process again and again. A message that was delivered more than `maxAttempts` times
 * is a suspect. The number of deliveries alone proves nothing, since a process that dies takes every delivery in flight
 * with it. Suspects are processed one at a time; each start is written to the bucket before and cleared after. A
 * suspect that was started three times in a row without ending rejects with `crash_loop` and is not processed.
 */
export function stopCrashLoops(
  process: Processor,
  { connection, publisher }: Client,
  { bucket, prefix, maxAttempts }: Place,
): Processor {
  const starts = new Bucket(connection, publisher, bucket);
  let turn: Promise<unknown> = Promise.resolve();
  const work = async (delivery: Delivery, signal: AbortSignal) => {
    signal.throwIfAborted();
    const key = `${prefix}.${delivery.sequence}`;
    const revision = await writeStart(starts, key, delivery.attempt);
    try {
      return await process(delivery, signal);
    } finally {
      // A failed write does no harm: only three starts in a row that did not end count as a crash loop.
      await starts.write({ key, value: "0", revision }).catch(() => undefined);
    }
  };
  return (delivery, signal) => {
    if (delivery.attempt <= maxAttempts) return process(delivery, signal);
    const answer = turn.then(() => work(delivery, signal));
    turn = answer.catch(() => undefined);
    return answer;
  };
}

/** Writes a start to the bucket and returns the entry's new revision. */
async function writeStart(starts: Bucket, key: string, attempt: number): Promise<number> {
  const entry = await starts.read(key);
  const unanswered = Number(entry?.value ?? 0);
  if (unanswered >= maxStarts) {
    const text = `delivered ${attempt} times; the last ${unanswered} times its worker never answered`;
    throw new OrderctlError("crash_loop", text, { source: "message" });
  }
  const revision = await starts.write({
    key,
    value: String(unanswered + 1),
    revision: entry?.revision ?? 0,
  });
  if (revision !== undefined) return revision;
  throw new OrderctlError("unavailable", `another worker has ${key} in hand`, { source: "broker" });
}
