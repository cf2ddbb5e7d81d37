import { type ConsumerInfo, DeliverPolicy } from "nats";
import type { Connection } from "../client/connection.ts";
import { parseTimestampUs, readNext, type StoredMessage } from "./read-message.ts";

/**
 * When the oldest message was stored that a consumer has yet to deliver or to have acknowledged, Unix µs. Null where there is
 * none, and where the broker does not tell which it is: never the time of another one.
 */
export async function readOldest(connection: Connection, info: ConsumerInfo): Promise<number | null> {
  if (info.num_pending + info.num_ack_pending === 0) return null;
  const oldest = await firstMatching(connection, info, firstSequence(info));
  if (!oldest || !(await isWanted(connection, info, oldest))) return null;
  return oldest.storedAtUs;
}

/** All that was delivered is settled, or else the oldest is the first after those that are. */
const firstSequence = ({ num_ack_pending, delivered, ack_floor, config }: ConsumerInfo): number =>
  Math.max((num_ack_pending === 0 ? delivered : ack_floor).stream_seq + 1, config.opt_start_seq ?? 1);

/** The first message from `sequence` on that the consumer's filters match. */
async function firstMatching(
  connection: Connection,
  { stream_name, config }: Pick<ConsumerInfo, "stream_name" | "config">,
  sequence: number,
): Promise<StoredMessage | undefined> {
  const filters = config.filter_subjects ?? [config.filter_subject || ">"];
  const found = await Promise.all(
    filters.map((filter) => readNext(connection, stream_name, { seq: sequence, next_by_subj: filter })),
  );
  const messages = found.filter((message) => message !== undefined);
  return messages.sort((a, b) => a.sequence - b.sequence)[0];
}

/** Is the first one that was not settled one that the consumer is to deliver at all? */
async function isWanted(connection: Connection, info: ConsumerInfo, oldest: StoredMessage): Promise<boolean> {
  if (mayBeGivenUp(info)) return false;
  const { stream_name, config } = info;
  const { deliver_policy, opt_start_time } = config;
  const createdUs = parseTimestampUs(String(info.created));
  if (deliver_policy === DeliverPolicy.LastPerSubject) {
    const alike = { stream_name, config: { ...config, filter_subjects: [oldest.subject] } };
    return isLastBefore(connection, alike, { oldest, createdUs });
  }
  // Servers before 2.10 count the floor from 0 until the first acknowledgement, wherever the consumer begins.
  const isFromStart = info.num_ack_pending > 0 && info.ack_floor.stream_seq === 0;
  if (!isFromStart) return true;
  switch (deliver_policy) {
    case DeliverPolicy.New:
      return oldest.storedAtUs >= createdUs;
    case DeliverPolicy.StartTime:
      return oldest.storedAtUs >= parseTimestampUs(String(opt_start_time));
    case DeliverPolicy.Last:
      return isLastBefore(connection, info, { oldest, createdUs });
    default:
      return true;
  }
}

/**
 * A message that was delivered as often as it may be stays where it is, not pending and not acknowledged. There is none where
 * every delivery after the floor is pending.
 */
const mayBeGivenUp = ({ config, num_ack_pending, delivered, ack_floor }: ConsumerInfo): boolean =>
  (config.max_deliver ?? -1) > 0 &&
  num_ack_pending > 0 &&
  delivered.consumer_seq - ack_floor.consumer_seq !== num_ack_pending;

/** Was it the last one that the filters match when the consumer was made, or stored later? */
async function isLastBefore(
  connection: Connection,
  filtered: Pick<ConsumerInfo, "stream_name" | "config">,
  { oldest, createdUs }: { oldest: StoredMessage; createdUs: number },
): Promise<boolean> {
  if (oldest.storedAtUs >= createdUs) return true;
  const next = await firstMatching(connection, filtered, oldest.sequence + 1);
  return next === undefined || next.storedAtUs >= createdUs;
}
