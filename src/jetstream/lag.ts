import { setTimeout as wait } from "node:timers/promises";
import type { ConsumerInfo } from "nats";
import type { Connection } from "./connection.ts";
import { apiErrorOf, apiErrors, fromNats } from "./nats-error.ts";
import { parseTimestampUs } from "./read-message.ts";

/** How far behind a consumer is. Rates are per second between two samples; `null` where it cannot be known. */
export type ConsumerLag = {
  consumer: string;
  /** False for a reader that goes with its process, such as one that waits for orders to end. */
  durable: boolean;
  /** Messages that match the consumer's filter and were not delivered yet. */
  pending: number;
  /** Delivered and not acknowledged. */
  ackPending: number;
  redelivered: number;
  /** Pull requests waiting for a message: 0 on a consumer that has pending messages means nobody is working. */
  waiting: number;
  /** Age of the oldest message that is not acknowledged. */
  oldestAgeMs: number | null;
  inPerS: number | null;
  outPerS: number | null;
  /** `(pending + ackPending) / (out − in)`; `null` when it does not shrink. */
  drainS: number | null;
};

export type StreamLag = { stream: string; sampledAt: string; intervalMs: number; consumers: ConsumerLag[] };

type Sample = { at: number; info: ConsumerInfo };

/**
 * Reads every consumer of a stream twice, `intervalMs` apart, from the stream's leader; with an interval of 0 once, and
 * then rates are unknown. Rejects with `not_found`
 * when there is no such stream.
 */
export async function readLag(
  connection: Connection,
  { stream, intervalMs, signal }: { stream: string; intervalMs: number; signal?: AbortSignal },
): Promise<StreamLag> {
  const before = await readConsumers(connection, stream);
  if (intervalMs > 0) await wait(intervalMs, undefined, signal ? { signal } : {});
  const after = intervalMs > 0 ? await readConsumers(connection, stream) : before;
  const consumers: ConsumerLag[] = [];
  for (const [name, sample] of after) {
    const oldestAgeMs = await readOldestAge(connection, sample.info);
    consumers.push({ ...buildLag(before.get(name), sample), oldestAgeMs });
  }
  consumers.sort((a, b) => a.consumer.localeCompare(b.consumer));
  return { stream, sampledAt: new Date().toISOString(), intervalMs, consumers };
}

async function readConsumers({ jsm }: Connection, stream: string): Promise<Map<string, Sample>> {
  try {
    const samples = new Map<string, Sample>();
    for await (const info of jsm.consumers.list(stream)) {
      samples.set(info.name, { at: serverTime(info), info });
    }
    return samples;
  } catch (thrown) {
    throw fromNats(thrown, `read the consumers of ${stream}`);
  }
}

/** The server's own clock where it tells it (since 2.10), else ours. In ms. */
function serverTime(info: ConsumerInfo & { ts?: unknown }): number {
  return typeof info.ts === "string" ? parseTimestampUs(info.ts) / 1000 : Date.now();
}

function buildLag(first: Sample | undefined, { at, info }: Sample): Omit<ConsumerLag, "oldestAgeMs"> {
  // One that was made anew under the same name counts from its own beginning.
  const before = first && first.at < at && first.info.created === info.created ? first : undefined;
  const seconds = before ? (at - before.at) / 1000 : 0;
  const outPerS = before ? countAcked(before.info, info) / seconds : null;
  const inPerS = before ? countAdded(before.info, info) / seconds : null;
  return {
    consumer: info.name,
    durable: info.config.durable_name !== undefined,
    pending: info.num_pending,
    ackPending: info.num_ack_pending,
    redelivered: info.num_redelivered,
    waiting: info.num_waiting,
    inPerS,
    outPerS,
    drainS: drainTime(backlogOf(info), inPerS, outPerS),
  };
}

/** Acknowledged between two samples: what was delivered for the first time and is not under way. */
const countAcked = (before: ConsumerInfo, now: ConsumerInfo): number =>
  Math.max(0, countFirstDeliveries(before, now) - (now.num_ack_pending - before.num_ack_pending));

/**
 * The broker counts deliveries, first and later ones together. A message that has become a redelivered one had a later
 * one, and only first ones move the stream sequence on, so there are no more than that. What comes again more than once
 * between two samples, or again and is acknowledged, may still be taken for a first delivery.
 */
function countFirstDeliveries(before: ConsumerInfo, now: ConsumerInfo): number {
  const deliveries = now.delivered.consumer_seq - before.delivered.consumer_seq;
  const again = Math.max(0, now.num_redelivered - before.num_redelivered);
  return Math.min(Math.max(0, deliveries - again), now.delivered.stream_seq - before.delivered.stream_seq);
}

/** What is left has grown by what came and was not acknowledged. */
const countAdded = (before: ConsumerInfo, now: ConsumerInfo): number =>
  Math.max(0, backlogOf(now) - backlogOf(before) + countAcked(before, now));

const backlogOf = ({ num_pending, num_ack_pending }: ConsumerInfo): number => num_pending + num_ack_pending;

function drainTime(backlog: number, inPerS: number | null, outPerS: number | null): number | null {
  if (backlog === 0) return 0;
  if (inPerS === null || outPerS === null || outPerS <= inPerS) return null;
  return backlog / (outPerS - inPerS);
}

async function readOldestAge({ jsm }: Connection, info: ConsumerInfo): Promise<number | null> {
  if (info.num_pending + info.num_ack_pending === 0) return null;
  const query = { seq: info.ack_floor.stream_seq + 1, next_by_subj: info.config.filter_subject ?? ">" };
  try {
    const oldest = await jsm.streams.getMessage(info.stream_name, query);
    return Math.max(0, Date.now() - oldest.time.getTime());
  } catch (thrown) {
    if (apiErrorOf(thrown) === apiErrors.messageNotFound) return null;
    throw fromNats(thrown, `read stream ${info.stream_name}`);
  }
}
