import type { StreamConfig, StreamInfo } from "nats";
import type { Connection } from "../client/connection.ts";
import { fromNats } from "../client/nats-error.ts";
import { overlap } from "./replay-pattern.ts";

/** A stream as a replay sees it. */
export type ReplayStream = {
  name: string;
  subjects: string[];
  lastSequence: number;
  /** How many messages it held and does no more. */
  removed: number;
};

/** Rejects with `not_found` where there is no such stream. */
export async function readReplayStream({ jsm }: Connection, name: string): Promise<ReplayStream> {
  try {
    return streamOf(await jsm.streams.info(name));
  } catch (thrown) {
    throw fromNats(thrown, `read stream ${name}`);
  }
}

export async function listStreams({ jsm }: Connection): Promise<ReplayStream[]> {
  try {
    const found: ReplayStream[] = [];
    for await (const info of jsm.streams.list()) found.push(streamOf(info));
    return found;
  } catch (thrown) {
    throw fromNats(thrown, "list the streams");
  }
}

/** Creates a file stream that refuses what `like` refuses: a second message per subject, or none. */
export async function createStreamLike(
  { jsm }: Connection,
  like: string,
  { name, subjects }: { name: string; subjects: string[] },
): Promise<void> {
  try {
    const { config } = await jsm.streams.info(like);
    const { max_msgs_per_subject, discard, discard_new_per_subject, num_replicas } = config;
    await jsm.streams.add({
      name,
      subjects,
      storage: "file",
      allow_direct: true,
      num_replicas,
      max_msgs_per_subject,
      discard,
      // A broker refuses even the setting's name where it does not know it.
      ...(discard_new_per_subject ? { discard_new_per_subject } : {}),
    } as Partial<StreamConfig> & { name: string });
  } catch (thrown) {
    throw fromNats(thrown, `create stream ${name}`);
  }
}

/** Those that would store a message under a filter's subjects. */
export const listeningOn = (streams: readonly ReplayStream[], filter: string): ReplayStream[] =>
  streams.filter(({ subjects }) => subjects.some((subject) => overlap(subject, filter)));

/** A mirror has no subjects. */
const streamOf = ({ config, state }: StreamInfo): ReplayStream => ({
  name: config.name,
  subjects: config.subjects ?? [],
  lastSequence: state.last_seq,
  removed: state.last_seq - state.messages,
});
