import { type ConsumerInfo, DeliverPolicy } from "nats";
import type { Connection } from "../client/connection.ts";
import { parseTimestampUs, readNext, type StoredMessage } from "./read-message.ts";

/**
 * When the oldest message was stored that a consumer has not delivered, or that nobody has acknowledged, Unix µs. Null
 * when there is none, and when the broker does not tell which message it is: never the time of another message.
 */
export async function readOldest(connection: Connection, info: ConsumerInfo): Promise<number | null> {
  if (info.num_pending + info.num_ack_pending === 0) return null;
  const oldest = await firstUnsettled(connection, info);
  if (!oldest || !(await isWanted(connection, info, oldest))) return null;
  return oldest.storedAtUs;
}

/**
 * The first message that a consumer may still be handed: the first of its filters behind all that it has settled.
 * Undefined when there is none.
 */
export const firstUnsettled = (
  connection: Connection,
  info: ConsumerInfo,
): Promise<StoredMessage | undefined> => firstMatching(connection, info, firstSequence(info));

/**
 * The lowest sequence that the oldest message can have: after everything delivered when all of that is settled, else
 * after the ack floor.
 */
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

/** True when it is certain that the consumer is to deliver the oldest unsettled message at all. */
async function isWanted(connection: Connection, info: ConsumerInfo, oldest: StoredMessage): Promise<boolean> {
  if (mayBeGivenUp(info)) return false;
  const { stream_name, config } = info;
  const { deliver_policy, opt_start_time } = config;
  const createdUs = parseTimestampUs(String(info.created));
  if (deliver_policy === DeliverPolicy.LastPerSubject) {
    const alike = { stream_name, config: { ...config, filter_subjects: [oldest.subject] } };
    return isLastBefore(connection, alike, { oldest, createdUs });
  }
  // Servers before 2.10 report an ack floor of 0 until the first acknowledgement, wherever the consumer begins.
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
 * True when messages may have been delivered `max_deliver` times and given up: such a message stays in the stream,
 * neither pending nor acknowledged. There is none when every delivery after the ack floor waits for an acknowledgement.
 */
const mayBeGivenUp = ({ config, num_ack_pending, delivered, ack_floor }: ConsumerInfo): boolean =>
  (config.max_deliver ?? -1) > 0 &&
  num_ack_pending > 0 &&
  delivered.consumer_seq - ack_floor.consumer_seq !== num_ack_pending;

/** True when `oldest` was the last matching message when the consumer was created, or was stored later. */
async function isLastBefore(
  connection: Connection,
  filtered: Pick<ConsumerInfo, "stream_name" | "config">,
  { oldest, createdUs }: { oldest: StoredMessage; createdUs: number },
): Promise<boolean> {
  if (oldest.storedAtUs >= createdUs) return true;
  const next = await firstMatching(connection, filtered, oldest.sequence + 1);
  return next === undefined || next.storedAtUs >= createdUs;
}
