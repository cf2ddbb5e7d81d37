import type { StreamMessage } from "../jetstream/streams/stream-message.ts";
import type { Segment } from "./manifest.ts";

/** Reading a whole segment takes as long as a look-up of one key for each so many messages. */
const messagesOfLookUp = 500;
/** Two segments of the usual size, which take some 80 MB. */
const mostMessages = 100_000;

/**
 * The messages of segments that are asked for many keys, as by a file of orders that is published once more: read whole
 * once, instead of a part for each key.
 */
export class OftenRead {
  readonly #keyOf: (subject: string) => string | undefined;
  readonly #asked = new Map<Segment, number>();
  readonly #held = new Map<Segment, Promise<ReadonlyMap<string, StreamMessage[]>>>();

  constructor(keyOf: (subject: string) => string | undefined) {
    this.#keyOf = keyOf;
  }

  /** A segment's messages by key, each list in stream order; undefined for a segment that is asked seldom. */
  messagesOf(
    segment: Segment,
    readAll: () => Promise<StreamMessage[]>,
  ): Promise<ReadonlyMap<string, StreamMessage[]>> | undefined {
    const held = this.#held.get(segment);
    if (held) return held;
    const asked = (this.#asked.get(segment) ?? 0) + 1;
    this.#asked.set(segment, asked);
    if (asked < segment.events / messagesOfLookUp) return undefined;
    this.#asked.delete(segment);
    const reading = readAll().then((messages) => this.#byKey(messages));
    this.#held.set(segment, reading);
    reading.catch(() => this.#held.delete(segment));
    this.#letGoOfOldest();
    return reading;
  }

  #letGoOfOldest(): void {
    let messages = 0;
    for (const { events } of this.#held.keys()) messages += events;
    for (const oldest of this.#held.keys()) {
      if (messages <= mostMessages || this.#held.size === 1) return;
      this.#held.delete(oldest);
      messages -= oldest.events;
    }
  }

  #byKey(messages: readonly StreamMessage[]): ReadonlyMap<string, StreamMessage[]> {
    const byKey = new Map<string, StreamMessage[]>();
    for (const message of messages) {
      const key = this.#keyOf(message.subject);
      const own = key === undefined ? undefined : byKey.get(key);
      if (own) own.push(message);
      else if (key !== undefined) byKey.set(key, [message]);
    }
    return byKey;
  }
}
