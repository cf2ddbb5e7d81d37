import type { StreamConfig, StreamInfo } from "nats";
import type { Connection } from "../client/connection.ts";
import { fromNats } from "../client/nats-error.ts";

/** A stream as a replay sees it. */
export type ReplayStream = {
  name: string;
  subjects: string[];
  lastSequence: number;
  /** How many messages it has held and no longer holds. */
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

/**
 * Creates a file stream that refuses messages where the stream `like` does, such as a second one under the same
 * subject.
 */
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
      // A broker that does not know the setting rejects a request that names it.
      ...(discard_new_per_subject ? { discard_new_per_subject } : {}),
    } as Partial<StreamConfig> & { name: string });
  } catch (thrown) {
    throw fromNats(thrown, `create stream ${name}`);
  }
}

/** The streams that would store a message whose subject matches `filter`. */
export const listeningOn = (streams: readonly ReplayStream[], filter: string): ReplayStream[] =>
  streams.filter(({ subjects }) => subjects.some((subject) => overlap(subject, filter)));

/** A mirror has no subjects. */
const streamOf = ({ config, state }: StreamInfo): ReplayStream => ({
  name: config.name,
  subjects: config.subjects ?? [],
  lastSequence: state.last_seq,
  removed: state.last_seq - state.messages,
});

/** A subject or a filter in NATS syntax: `*` stands for one token, a last `>` for one or more. */
type Pattern = string;

/** Does everything that `narrow` matches also match `wide`? */
export const covers = (wide: Pattern, narrow: Pattern): boolean =>
  compare(wide.split("."), narrow.split("."), (broad, token) => broad === "*" && token !== ">");

/** Is there a subject that both match? */
export function overlap(one: Pattern, other: Pattern): boolean {
  const [a, b] = [one.split("."), other.split(".")];
  const either = (x: string, y: string) => x === "*" || y === "*";
  return compare(a, b, either) || compare(b, a, either);
}

/** Compares token by token, up to where `wide` ends in `>`. */
function compare(
  wide: readonly string[],
  narrow: readonly string[],
  isLike: (wide: string, narrow: string) => boolean,
): boolean {
  for (const [index, broad] of wide.entries()) {
    const token = narrow[index];
    if (token === undefined) return false;
    if (broad === ">") return true;
    if (broad !== token && !isLike(broad, token)) return false;
  }
  return wide.length === narrow.length;
}

/** True for a filter that a broker accepts: no empty token, no blank, `>` at the end only. */
export const isFilter = (text: string): boolean =>
  /^[^\s.]+(\.[^\s.]+)*$/.test(text) && !/>.|[^.]>/.test(text);

/** True for the first tokens of a subject: no wildcard, and no subject that the broker reserves (`$…`, `_INBOX`). */
export const isPrefix = (text: string): boolean =>
  isFilter(text) && !/[*>]/.test(text) && !/^(\$|_INBOX(_|\.|$))/.test(text);

/** The subject with its first token replaced by `prefix`. */
export function underPrefix(subject: string, prefix: string): string {
  const dot = subject.indexOf(".");
  return dot < 0 ? prefix : prefix + subject.slice(dot);
}
