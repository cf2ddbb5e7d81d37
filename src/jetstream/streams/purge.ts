import type { Connection } from "../client/connection.ts";
import { fromNats } from "../client/nats-error.ts";

/** Nothing is before the first message: nats-server 2.9 takes that for all of them. */
const firstSequence = 1;

/** Removes every message before `sequence` from a stream, and returns how many they were. */
export async function purgeBefore({ jsm }: Connection, stream: string, sequence: number): Promise<number> {
  if (sequence <= firstSequence) return 0;
  try {
    return (await jsm.streams.purge(stream, { seq: sequence })).purged;
  } catch (thrown) {
    throw fromNats(thrown, `purge stream ${stream}`);
  }
}
