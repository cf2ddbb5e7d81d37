import { OrderctlError } from "../core/errors.ts";
import { untilAborted } from "../core/waiting.ts";
import type { FlowShape } from "../flow/flow.ts";
import { restoredHeader } from "../flow/restored.ts";
import type { Connection } from "../jetstream/client/connection.ts";
import type { Publication, Stored } from "../jetstream/publish/publication.ts";
import { Publisher } from "../jetstream/publish/publisher.ts";
import { readStream } from "../jetstream/streams/read-stream.ts";
import { underPrefix } from "../jetstream/streams/replay-streams.ts";
import type { StreamMessage } from "../jetstream/streams/stream-message.ts";
import { hasKeyHash, keyHash } from "./key-hashes.ts";
import type { Segment } from "./manifest.ts";
import { SegmentReader } from "./segment.ts";
import type { SegmentedLog } from "./segmented-log.ts";
import { withStored } from "./stored-file.ts";

export type RestorePlan = {
  segments: readonly Segment[];
  /** The archived sequences to restore, both included. */
  from: number;
  to: number;
  /** The stream that takes them, and the first token of their subjects there. */
  stream: string;
  prefix: string;
};

export type Restored = {
  /** Messages that were read, and of them those that the target did not hold yet. */
  read: number;
  stored: number;
  alreadyThere: number;
  /** Second messages under one subject, which a stream refuses: repeats of archived orders. */
  repeats: number;
};

export const nothingRestored = (): Restored => ({ read: 0, stored: 0, alreadyThere: 0, repeats: 0 });

type RestoreOptions = {
  connection: Connection;
  flow: FlowShape;
  archive: SegmentedLog;
  plan: RestorePlan;
  /** Ends the restore early, without an error, once what was sent is stored. */
  signal: AbortSignal;
  /** Counted here as it goes on. */
  seen: Restored;
  /** Called before each segment; what it rejects with ends the restore. */
  onSegment: () => Promise<void>;
};

/** Messages under way at once. */
const window = 1024;
/** How long what was sent may still take once the signal has aborted. */
const graceMs = 2000;
/** A restore before this one may have stored messages so much earlier than others that come before them. */
const lookahead = 10_000;

/**
 * Stores archived messages again, in their order, with their headers and payloads. What the target holds of them
 * already counts as restored. Rejects with `conflict` where it holds anything else.
 */
export async function restore(options: RestoreOptions): Promise<void> {
  const { connection, plan, seen, signal } = options;
  const publisher = new Publisher(connection, { window });
  const source = readArchived(options);
  try {
    const left = await skipRestored(options, source);
    seen.alreadyThere = seen.read - left.length;
    await storeAll(options, publisher, left);
    for await (const messages of source) {
      if (signal.aborted) return;
      await storeAll(options, publisher, messages);
    }
  } catch (thrown) {
    const { code, message, hint, source: whose } = OrderctlError.from(thrown);
    if (whose !== "message") throw thrown;
    throw new OrderctlError(code, `${message}, into stream ${plan.stream}`, { hint, source: whose });
  } finally {
    publisher.close();
  }
}

/** One segment's messages after the other's; the next one is read while those are stored. */
async function* readArchived(options: RestoreOptions): AsyncGenerator<StreamMessage[], undefined> {
  const { archive, plan, seen, signal, onSegment } = options;
  const wanted = plan.segments.filter(({ from, to }) => from <= plan.to && to >= plan.from);
  const read = (segment: Segment | undefined) => {
    const reading = segment && readSegment(archive, segment);
    // It may fail before it is waited for.
    reading?.catch(() => undefined);
    return reading;
  };
  let next = read(wanted[0]);
  for (let index = 0; next; index += 1) {
    await onSegment();
    if (signal.aborted) return;
    const messages = (await next).filter(({ sequence }) => plan.from <= sequence && sequence <= plan.to);
    next = read(wanted[index + 1]);
    seen.read += messages.length;
    yield messages;
  }
}

async function readSegment(archive: SegmentedLog, segment: Segment): Promise<StreamMessage[]> {
  const { data } = segment.files;
  const content = await archive.readFile(segment, data);
  const read = async (start: number, end: number) => content.subarray(start, end);
  const file = { name: `${segment.store}/${data.name}`, bytes: content.length, read, close: async () => {} };
  return (await SegmentReader.open(file)).readAll();
}

/**
 * Compares what the target holds with the archive, side by side, and returns the messages that were read for that and
 * that the target lacks.
 */
async function skipRestored(
  { connection, plan, signal }: RestoreOptions,
  source: AsyncGenerator<StreamMessage[], undefined>,
): Promise<StreamMessage[]> {
  const waiting = new Waiting(source, plan.prefix);
  for await (const batch of readStream(connection, { stream: plan.stream, signal })) {
    for (const held of batch) {
      if (!signal.aborted) mustBeRestored(plan, held, await waiting.take(held.subject));
    }
  }
  return waiting.left();
}

function mustBeRestored(plan: RestorePlan, held: StreamMessage, archived: StreamMessage | undefined): void {
  if (!archived) throw holdsOthers(plan, held);
  if (Buffer.compare(archived.payload, held.payload) !== 0) throw isOther(plan, archived);
}

/** In its own log, services have to know that an event was worked on before. */
function copyOf(message: StreamMessage, { prefix }: RestorePlan, { stream }: FlowShape): Publication {
  const { payload, sequence } = message;
  const mark = prefix === stream ? { [restoredHeader]: String(sequence) } : {};
  const headers = { ...message.headers(), ...mark };
  return { subject: underPrefix(message.subject, prefix), payload, headers };
}

/** Archived messages that have been read and not been found in the target. */
class Waiting {
  readonly #source: AsyncGenerator<StreamMessage[], undefined>;
  readonly #prefix: string;
  readonly #bySubject = new Map<string, { index: number; message: StreamMessage }[]>();
  #read = 0;
  #found = 0;
  #isOver = false;

  constructor(source: AsyncGenerator<StreamMessage[], undefined>, prefix: string) {
    this.#source = source;
    this.#prefix = prefix;
  }

  /** The first one with that subject in the target; undefined where it is not among the next ones. */
  async take(subject: string): Promise<StreamMessage | undefined> {
    while (!this.#bySubject.has(subject) && this.#read - this.#found < lookahead && !this.#isOver)
      await this.#readMore();
    const [first, ...others] = this.#bySubject.get(subject) ?? [];
    if (!first) return undefined;
    if (others.length > 0) this.#bySubject.set(subject, others);
    else this.#bySubject.delete(subject);
    this.#found = Math.max(this.#found, first.index + 1);
    return first.message;
  }

  left(): StreamMessage[] {
    const all = [...this.#bySubject.values()].flat();
    return all.sort((a, b) => a.index - b.index).map(({ message }) => message);
  }

  async #readMore(): Promise<void> {
    const { value: messages } = await this.#source.next();
    if (!messages) {
      this.#isOver = true;
      return;
    }
    for (const message of messages) {
      const subject = underPrefix(message.subject, this.#prefix);
      const own = this.#bySubject.get(subject);
      const place = { index: this.#read, message };
      if (own) own.push(place);
      else this.#bySubject.set(subject, [place]);
      this.#read += 1;
    }
  }
}

/** Resolves once all of them are stored, or those that were sent before the signal aborted. */
async function storeAll(
  options: RestoreOptions,
  publisher: Publisher,
  messages: readonly StreamMessage[],
): Promise<void> {
  const { flow, plan, seen, signal } = options;
  const refused: { message: StreamMessage; existing: Uint8Array }[] = [];
  let failure: OrderctlError | undefined;
  const onStored = (message: StreamMessage, { duplicate, existing }: Stored) => {
    if (!duplicate) seen.stored += 1;
    else if (!existing || Buffer.compare(existing, message.payload) === 0) seen.alreadyThere += 1;
    else refused.push({ message, existing });
  };
  for (const message of messages) {
    if (signal.aborted || failure) break;
    publisher.send(copyOf(message, plan, flow), {
      resolve: (stored) => onStored(message, stored),
      reject(error) {
        failure ??= error;
      },
    });
    if (publisher.isFull) await untilAborted(publisher.ready(), signal);
  }
  await untilAborted(publisher.drain(), signal, graceMs);
  if (failure) throw failure;
  for (const { message, existing } of refused) {
    if (!(await isRepeat(options, message, existing))) throw isOther(plan, message);
    seen.repeats += 1;
  }
}

/** Whether what the target holds instead is an earlier archived message under the same subject. */
async function isRepeat(
  { flow, archive, plan }: RestoreOptions,
  { subject, sequence }: StreamMessage,
  existing: Uint8Array,
): Promise<boolean> {
  const key = flow.parseSubject(subject)?.key;
  if (key === undefined) return false;
  for (const segment of plan.segments.filter(({ from }) => from < sequence)) {
    const store = await archive.storeAt(segment.store);
    const { keys, data } = segment.files;
    if (!(await withStored(store, keys, (file) => hasKeyHash(file, keyHash(key))))) continue;
    if (segment.prunedAtMs !== undefined) continue;
    const messages = await withStored(store, data, async (file) =>
      (await SegmentReader.open(file)).readKey(key),
    );
    const isEarlier = (message: StreamMessage) =>
      message.subject === subject &&
      message.sequence < sequence &&
      Buffer.compare(message.payload, existing) === 0;
    if (messages.some(isEarlier)) return true;
  }
  return false;
}

const holdsOthers = ({ stream, from, to }: RestorePlan, held: StreamMessage): OrderctlError =>
  new OrderctlError(
    "conflict",
    `stream ${stream} holds other messages than ${from} to ${to} of the archive: its message ${held.sequence} is ${held.subject}`,
    { hint: "restore into an empty stream, or go on with the range that was restored into this one" },
  );

const isOther = ({ stream, prefix }: RestorePlan, { subject, sequence }: StreamMessage): OrderctlError =>
  new OrderctlError(
    "conflict",
    `stream ${stream} holds another ${underPrefix(subject, prefix)} than the archive, which has it as message ${sequence}`,
    { hint: "restore into an empty stream" },
  );
