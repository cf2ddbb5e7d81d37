import type { Connection } from "../client/connection.ts";
import { apiErrorOf, apiErrors, fromNats } from "../client/nats-error.ts";

/**
 * The sequence up to which every message that a consumer delivered is settled; 0 when there is no such stream or
 * consumer.
 */
export async function readConsumerProgress(
  { jsm }: Connection,
  stream: string,
  consumer: string,
): Promise<number> {
  try {
    const { ack_floor, delivered, num_ack_pending, num_pending } = await jsm.consumers.info(stream, consumer);
    return num_pending + num_ack_pending === 0 ? delivered.stream_seq : ack_floor.stream_seq;
  } catch (thrown) {
    const missing: unknown[] = [apiErrors.streamNotFound, apiErrors.consumerNotFound];
    if (missing.includes(apiErrorOf(thrown))) return 0;
    throw fromNats(thrown, `read consumer ${consumer}`);
  }
}

/** How many subjects that match a filter have messages in a stream; 0 when there is no such stream. */
export async function countSubjectsLike(
  { jsm }: Connection,
  stream: string,
  filter: string,
): Promise<number> {
  try {
    const { state } = await jsm.streams.info(stream, { subjects_filter: filter });
    return Object.keys(state.subjects ?? {}).length;
  } catch (thrown) {
    if (apiErrorOf(thrown) === apiErrors.streamNotFound) return 0;
    throw fromNats(thrown, `read stream ${stream}`);
  }
}

/** Resolves to false when the message was gone already. */
export async function deleteMessage({ jsm }: Connection, stream: string, sequence: number): Promise<boolean> {
  try {
    return await jsm.streams.deleteMessage(stream, sequence, false);
  } catch (thrown) {
    if (apiErrorOf(thrown) === apiErrors.messageNotFound) return false;
    throw fromNats(thrown, `delete message ${sequence} of stream ${stream}`);
  }
}
