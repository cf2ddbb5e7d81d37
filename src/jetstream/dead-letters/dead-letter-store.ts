import type { Connection } from "../client/connection.ts";
import { apiErrorOf, apiErrors, fromNats } from "../client/nats-error.ts";

/** The sequence up to which a consumer has answered everything that it was delivered; 0 without consumer. */
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

/** How many subjects of a stream that fit a filter hold a message; 0 where there is no such stream. */
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

/** False where the message was gone already. */
export async function deleteMessage({ jsm }: Connection, stream: string, sequence: number): Promise<boolean> {
  try {
    return await jsm.streams.deleteMessage(stream, sequence, false);
  } catch (thrown) {
    if (apiErrorOf(thrown) === apiErrors.messageNotFound) return false;
    throw fromNats(thrown, `delete message ${sequence} of stream ${stream}`);
  }
}
