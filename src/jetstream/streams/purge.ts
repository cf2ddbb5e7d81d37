import type { Connection } from "../client/connection.ts";
import { fromNats } from "../client/nats-error.ts";

/** Removes every message before `sequence` from a stream, and returns how many they were. */
export async function purgeBefore({ jsm }: Connection, stream: string, sequence: number): Promise<number> {
  try {
    return (await jsm.streams.purge(stream, { seq: sequence })).purged;
  } catch (thrown) {
    throw fromNats(thrown, `purge stream ${stream}`);
  }
}
