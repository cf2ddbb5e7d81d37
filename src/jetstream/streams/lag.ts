import { setTimeout as wait } from "node:timers/promises";
import { AckPolicy, type ConsumerInfo } from "nats";
import { type ClockDifference, readBrokerClock } from "../client/broker-clock.ts";
import type { Connection } from "../client/connection.ts";
import { fromNats } from "../client/nats-error.ts";
import { readOldest } from "./oldest-message.ts";
import { parseTimestampUs } from "./read-message.ts";

/**
 * How far behind a consumer is. Rates are per second between two samples; `null` means unknown, or what the field says.
 * Times of day are by the broker's clock.
 */
export type ConsumerLag = {
  consumer: string;
  /** False for an ephemeral consumer that goes away with its process, such as one that waits for orders to end. */
  durable: boolean;
  /** Do workers ask for messages, or does the broker send them to a subject? */
  mode: "pull" | "push";
  /** Does anybody listen on the subject that a push consumer sends to? `null` for a pull consumer. */
  bound: boolean | null;
  /** Messages that match the consumer's filter and were never delivered. */
  pending: number;
  /** Delivered and not acknowledged. */
  ackPending: number;
  redelivered: number;
  /**
   * Pull requests waiting for a message: 0 on a consumer with pending messages means that nobody is working. `null` for
   * a push consumer.
   */
  waiting: number | null;
  /** Age of the oldest message that is not acknowledged, delivered or not; `null` also when there is none. */
  oldestAgeMs: number | null;
  inPerS: number | null;
  outPerS: number | null;
  /** Seconds until the backlog is gone: `(pending + ackPending) / (out − in)`; `null` when it does not shrink. */
  drainS: number | null;
  /** `null` when the consumer is not paused. */
  pausedUntil: string | null;
  /**
   * How long a delivery may take before the broker repeats it: the longest of `ack_wait` and `backoff`; `null` for a
   * consumer without acknowledgements.
   */
  ackWaitMs: number | null;
  /** The latest time at which the broker redelivers what is not acknowledged, unless a worker asks for more time. */
  comesAgainBy: string | null;
  /** How many running processes say that they work on this consumer; `null` when the processes were not asked. */
  workers: number | null;
  /**
   * How many of the `ackPending` deliveries none of the answering processes holds; `null` when the processes were not
   * asked.
   */
  unclaimed: number | null;
  state: LagState;
  /** Why messages do not arrive as usual, as far as the consumer's settings and its workers tell. */
  reasons: string[];
};

export type StreamLag = {
  stream: string;
  /** By the broker's clock. */
  sampledAt: string;
  intervalMs: number;
  clock: ClockDifference;
  consumers: ConsumerLag[];
};

type Sample = { at: number; info: ConsumerInfo };

export type LagQuery = {
  stream: string;
  intervalMs: number;
  /** True to leave out ephemeral consumers, which go away with their processes. */
  durableOnly?: boolean;
  signal?: AbortSignal;
};

/**
 * Reads every consumer of a stream twice, `intervalMs` apart, from the stream's leader. With an interval of 0 it reads
 * once, and rates are unknown. Rejects with `not_found` when there is no such stream.
 */
export async function readLag(connection: Connection, query: LagQuery): Promise<StreamLag> {
  const { stream, intervalMs, signal } = query;
  const [clock, before] = await Promise.all([
    readBrokerClock(connection, stream),
    readConsumers(connection, query),
  ]);
  if (intervalMs > 0) await wait(intervalMs, undefined, signal ? { signal } : {});
  const after = intervalMs > 0 ? await readConsumers(connection, query) : before;
  const nowMs = clock.nowUs() / 1000;
  const consumers: ConsumerLag[] = [];
  for (const [name, sample] of after) {
    const oldestUs = await readOldest(connection, sample.info);
    const oldestAgeMs = oldestUs === null ? null : Math.max(0, nowMs - oldestUs / 1000);
    const first = before.get(name);
    const measured = { ...buildLag(first, sample, nowMs), oldestAgeMs };
    const floorStays = first?.info.ack_floor.stream_seq === sample.info.ack_floor.stream_seq;
    consumers.push({ ...measured, state: stateOf(measured, floorStays) });
  }
  consumers.sort((a, b) => a.consumer.localeCompare(b.consumer));
  const sampledAt = new Date(nowMs).toISOString();
  return { stream, sampledAt, intervalMs, clock: clock.difference, consumers };
}

async function readConsumers(
  { jsm }: Connection,
  { stream, durableOnly = false }: LagQuery,
): Promise<Map<string, Sample>> {
  try {
    const samples = new Map<string, Sample>();
    for await (const info of jsm.consumers.list(stream)) {
      if (durableOnly && !isDurable(info)) continue;
      samples.set(info.name, { at: serverTime(info), info });
    }
    return samples;
  } catch (thrown) {
    throw fromNats(thrown, `read the consumers of ${stream}`);
  }
}

const isDurable = ({ config }: ConsumerInfo): boolean => config.durable_name !== undefined;

/**
 * When a sample was taken, in ms, to compare with other samples only: by the server's clock where the server tells it
 * (since 2.10), else by the monotonic clock of this process.
 */
function serverTime(info: ConsumerInfo & { ts?: unknown }): number {
  return typeof info.ts === "string" ? parseTimestampUs(info.ts) / 1000 : performance.now();
}

function buildLag(
  first: Sample | undefined,
  { at, info }: Sample,
  nowMs: number,
): Omit<Measured, "oldestAgeMs"> {
  // A consumer that was deleted and created anew between the samples has new counters.
  const before = first && first.at < at && first.info.created === info.created ? first : undefined;
  const seconds = before ? (at - before.at) / 1000 : 0;
  const outPerS = before ? countAcked(before.info, info) / seconds : null;
  const inPerS = before ? countAdded(before.info, info) / seconds : null;
  const isPush = info.config.deliver_subject !== undefined;
  const pausedUntil = pauseEnd(info, nowMs);
  return {
    consumer: info.name,
    durable: isDurable(info),
    mode: isPush ? "push" : "pull",
    bound: isPush ? info.push_bound === true : null,
    pending: info.num_pending,
    ackPending: info.num_ack_pending,
    redelivered: info.num_redelivered,
    waiting: isPush ? null : info.num_waiting,
    inPerS,
    outPerS,
    drainS: drainTime(countLeft(info), inPerS, outPerS),
    pausedUntil,
    ackWaitMs: ackWaitOf(info),
    comesAgainBy: redeliveryTime(info, nowMs),
    workers: null,
    unclaimed: null,
    reasons: reasonsOf(info),
  };
}

/** The time at which a pause ends; nats-server can pause consumers since 2.11. */
function pauseEnd({ paused, pause_remaining, config }: ConsumerInfo, nowMs: number): string | null {
  if (paused !== true) return null;
  return config.pause_until ?? new Date(nowMs + Number(pause_remaining) / 1e6).toISOString();
}

/**
 * The latest time at which the last delivery is repeated. After a restart the server does not tell when that delivery
 * was; then the current time stands in for it.
 */
function redeliveryTime(info: ConsumerInfo, nowMs: number): string | null {
  const ackWaitMs = ackWaitOf(info);
  if (info.num_ack_pending === 0 || ackWaitMs === null) return null;
  const last: unknown = info.delivered.last_active;
  const lastMs = typeof last === "string" ? parseTimestampUs(last) / 1000 : nowMs;
  return new Date(lastMs + ackWaitMs).toISOString();
}

function ackWaitOf({ config }: ConsumerInfo): number | null {
  const longestNs = Math.max(Number(config.ack_wait ?? 0), ...(config.backoff ?? []).map(Number));
  return config.ack_policy === AckPolicy.None || longestNs === 0 ? null : longestNs / 1e6;
}

function reasonsOf({ config, push_bound, num_ack_pending, delivered, ack_floor }: ConsumerInfo): string[] {
  const { deliver_subject, headers_only, max_deliver = -1 } = config;
  const givenUp = max_deliver > 0 && num_ack_pending === 0 && delivered.consumer_seq > ack_floor.consumer_seq;
  return [
    deliver_subject !== undefined && push_bound !== true ? `nobody listens on ${deliver_subject}` : "",
    headers_only === true ? "it delivers headers without payloads (headers_only)" : "",
    givenUp ? `messages were given up after ${times(max_deliver)} (max_deliver)` : "",
  ].filter((text) => text !== "");
}

const times = (deliveries: number): string => (deliveries === 1 ? "1 delivery" : `${deliveries} deliveries`);

/**
 * Messages acknowledged between two samples: those delivered for the first time, minus those still waiting for an
 * acknowledgement.
 */
const countAcked = (before: ConsumerInfo, now: ConsumerInfo): number =>
  Math.max(0, countFirstDeliveries(before, now) - (now.num_ack_pending - before.num_ack_pending));

/**
 * The broker counts first and repeated deliveries together. Every message that has newly become a redelivered one had a
 * repeated delivery, and only first deliveries advance the stream sequence: both limit the result. A message that is
 * redelivered more than once between two samples, or redelivered and then acknowledged, may still be counted as a first
 * delivery.
 */
function countFirstDeliveries(before: ConsumerInfo, now: ConsumerInfo): number {
  const deliveries = now.delivered.consumer_seq - before.delivered.consumer_seq;
  const again = Math.max(0, now.num_redelivered - before.num_redelivered);
  return Math.min(Math.max(0, deliveries - again), now.delivered.stream_seq - before.delivered.stream_seq);
}

/** New messages between two samples: what the backlog grew by, plus what was acknowledged. */
const countAdded = (before: ConsumerInfo, now: ConsumerInfo): number =>
  Math.max(0, countLeft(now) - countLeft(before) + countAcked(before, now));

const countLeft = ({ num_pending, num_ack_pending }: ConsumerInfo): number => num_pending + num_ack_pending;

function drainTime(backlog: number, inPerS: number | null, outPerS: number | null): number | null {
  if (backlog === 0) return 0;
  if (inPerS === null || outPerS === null || outPerS <= inPerS) return null;
  return backlog / (outPerS - inPerS);
}

/**
 * What can be concluded about a consumer. With a backlog and no acknowledgement in the interval: `abandoned`, nobody
 * pulls and no delivery waits for an acknowledgement; `idle`, nobody pulls but deliveries wait; `waiting`, somebody
 * pulls, or it is a push consumer; `unbound`, nobody listens on the subject of a push consumer. `held`: deliveries are
 * held by no process that answers, or the oldest one stays unacknowledged while others are acknowledged.
 */
export type LagState =
  | "up_to_date"
  | "keeps_up"
  | "behind"
  | "held"
  | "waiting"
  | "idle"
  | "abandoned"
  | "unbound"
  | "paused"
  | "unknown";

export type Measured = Omit<ConsumerLag, "state">;

export const backlogOf = ({ pending, ackPending }: Pick<ConsumerLag, "pending" | "ackPending">): number =>
  pending + ackPending;

/** `floorStays` says that the ack floor, and so the oldest unacknowledged delivery, was the same in both samples. */
export function stateOf(lag: Measured, floorStays: boolean): LagState {
  if (lag.pausedUntil !== null) return "paused";
  if (backlogOf(lag) === 0) return "up_to_date";
  if (lag.bound === false && lag.pending > 0) return "unbound";
  if (lag.outPerS === null) return "unknown";
  if (lag.outPerS === 0) return stuckState(lag);
  if (floorStays && isOverdue(lag)) return "held";
  return lag.drainS !== null || isInProgress(lag) ? "keeps_up" : "behind";
}

function stuckState({ ackPending, waiting }: Measured): LagState {
  if (waiting !== 0) return "waiting";
  return ackPending === 0 ? "abandoned" : "idle";
}

/**
 * As many messages go out as come in, and the backlog is less than one second's worth: that is work in progress. The
 * two rates of a steady flow differ a little, since they come from two samples.
 */
const isInProgress = (lag: Measured): boolean => {
  const { inPerS, outPerS } = lag;
  return outPerS !== null && outPerS > backlogOf(lag) && (inPerS ?? 0) - outPerS <= Math.max(5, outPerS / 10);
};

const overdueMs = 5000;

const isOverdue = ({ ackPending, oldestAgeMs }: Measured): boolean =>
  ackPending > 0 && oldestAgeMs !== null && oldestAgeMs > overdueMs;
