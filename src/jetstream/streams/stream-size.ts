import type { Connection } from "../client/connection.ts";
import { apiErrorOf, apiErrors, fromNats } from "../client/nats-error.ts";

export type StreamSize = { messages: number; bytes: number; firstSequence: number; lastSequence: number };

/** How much a stream holds, from its leader; undefined where there is no such stream. */
export async function readStreamSize({ jsm }: Connection, stream: string): Promise<StreamSize | undefined> {
  try {
    const { messages, bytes, first_seq, last_seq } = (await jsm.streams.info(stream)).state;
    return { messages, bytes, firstSequence: first_seq, lastSequence: last_seq };
  } catch (thrown) {
    if (apiErrorOf(thrown) === apiErrors.streamNotFound) return undefined;
    throw fromNats(thrown, `read stream ${stream}`);
  }
}
