import { OrderctlError } from "../../core/errors.ts";
import type { Connection } from "../client/connection.ts";
import type { Delivery } from "../consume/delivery.ts";
import type { Processor } from "../consume/worker-options.ts";
import type { Publisher } from "../publish/publisher.ts";
import { Bucket } from "../streams/bucket.ts";

/** How often a suspect may be started and not answered. */
const maxStarts = 3;

type Client = { connection: Connection; publisher: Publisher };
type Place = { bucket: string; prefix: string; maxAttempts: number };

/**
 * Keeps a message from ending the process again and again. What was delivered more than `maxAttempts` times is suspect:
 * a process that dies takes everything down that it had in hand, so the count alone blames the innocent as well.
 * Suspects are worked on one at a time, each start is written down before and struck out after; who has been started
 * three times and never came back rejects with `crash_loop`, without being worked on.
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
      // Not written is no harm: it takes three of them in a row.
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

/** Answers the entry's new revision. */
async function writeStart(starts: Bucket, key: string, attempt: number): Promise<number> {
  const entry = await starts.read(key);
  const unanswered = Number(entry?.value ?? 0);
  if (unanswered >= maxStarts) {
    const text = `delivered ${attempt} times; the last ${unanswered} times its worker never answered`;
    throw new OrderctlError("crash_loop", text, { fault: "message" });
  }
  const revision = await starts.write({
    key,
    value: String(unanswered + 1),
    revision: entry?.revision ?? 0,
  });
  if (revision !== undefined) return revision;
  throw new OrderctlError("unavailable", `another worker has ${key} in hand`, { fault: "broker" });
}
