import { isoTime } from "../core/units.ts";
import { decodeRedrive, isHash, type RedriveMark } from "../flow/dead-letters-rule.ts";
import type { FlowLog, FlowShape } from "../flow/flow.ts";
import { deadLettersStream, redriverOf, redrivesStream } from "../flow/flow-topology.ts";
import type { Connection } from "../jetstream/client/connection.ts";
import {
  type DeadLetterMark,
  deadLetterHeader,
  decodeMark,
  redriveHeader,
} from "../jetstream/dead-letters/dead-letter.ts";
import { readConsumerProgress } from "../jetstream/dead-letters/dead-letter-store.ts";
import { readStreamSize, type StoredMessage } from "../jetstream/streams/read-message.ts";
import { type StreamRange, scanStream } from "../jetstream/streams/read-stream.ts";

/**
 * The state of a dead letter: `open` waits for somebody to decide, `under_way` was redriven and is not yet handled,
 * `failed_again` was redriven and became a newer dead letter, `done` was redriven and handled.
 */
export type DeadLetterState = "open" | "under_way" | "failed_again" | "done";

export type DeadLetter = {
  /** Its sequence in the stream of dead letters, which is also its name on the command line. */
  sequence: number;
  /** When the dead letter was stored, by the broker's clock, as are the times in `redrives`. */
  at: string;
  state: DeadLetterState;
  reason: string;
  detail: string;
  attempts: number;
  /** `null` when the message's subject names no order. */
  orderId: string | null;
  service: string;
  instance: string;
  consumer: string;
  /** `stream`, `subject` and `storedSequence` tell where the original message was first stored. */
  stream: string;
  subject: string;
  storedSequence: number;
  storedAt: string;
  payloadBytes: number;
  /** False when the message was too large to copy; the dead letter then tells only where the original is. */
  hasPayload: boolean;
  redrives: { by: string; at: string }[];
  /** The sequences of the previous and the next dead letter of the same message. */
  redriveOf: number | null;
  next: number | null;
};

/** A dead letter with its mark, its own subject, and the sequences of its redrives. */
export type DeadMessage = {
  letter: DeadLetter;
  mark: DeadLetterMark | StrangersMark;
  subject: string;
  redriveSequences: number[];
};

/**
 * The reason given for a message in the stream of dead letters that is not a valid one: another program's, or one with
 * a damaged mark.
 */
export const unreadable = "unreadable";

type Fits = (letter: DeadLetter) => boolean;

/**
 * Every dead letter that `fits`, newest first. Keeps about 2 kB of memory per match; the others are dropped as they are
 * read.
 */
export async function readDeadLetters(
  log: FlowLog,
  { fits = () => true, ...selection }: Omit<Selection, "window"> & { fits?: Fits } = {},
): Promise<DeadMessage[]> {
  const found: DeadMessage[] = [];
  for await (const { letters } of eachDeadLetter(log, selection))
    for (const dead of letters) if (fits(dead.letter)) found.push(dead);
  return found;
}

/** How many sequences the first read takes, from the end of the stream. */
const leastWindow = 1000;
/** How many dead letters are in memory at a time when the whole stream is read. */
const mostAtOnce = 20_000;

/**
 * The newest dead letters that fit: at least `wanted` if there are that many, and possibly some more. Reads from the
 * end of the stream, so the time does not grow with the stream. `isWhole` if there are no others.
 */
export async function readNewestDeadLetters(
  log: FlowLog,
  { wanted, fits, signal }: { wanted: number; fits: Fits; signal?: AbortSignal },
): Promise<{ found: DeadMessage[]; isWhole: boolean }> {
  const found: DeadMessage[] = [];
  const window = Math.max(leastWindow, 2 * wanted);
  for await (const { letters, isLast } of eachDeadLetter(log, { window, signal })) {
    for (const dead of letters) if (fits(dead.letter)) found.push(dead);
    if (found.length >= wanted) return { found, isWhole: isLast };
  }
  return { found, isWhole: true };
}

type Selection = {
  /** Only dead letters under this subject (wildcards allowed). They are few, so one read fetches them all. */
  filter?: string | undefined;
  /** How many sequences the first read takes; each further read takes four times as many. */
  window?: number;
  signal?: AbortSignal | undefined;
};

/**
 * Yields every dead letter, newest first, in windows from the end of the stream: only a newer dead letter shows that an
 * older one failed again. Yields nothing when the stream is missing or empty. A message without a valid mark has the
 * reason `unreadable` and itself as origin. Payloads are not kept.
 */
export async function* eachDeadLetter(
  log: FlowLog,
  { filter, window = mostAtOnce, signal }: Selection = {},
): AsyncGenerator<{ letters: DeadMessage[]; isLast: boolean }> {
  const { connection, flow } = log;
  // Pipelines set up by older versions have no such stream.
  const stored = await readStreamSize(connection, deadLettersStream);
  if (!stored?.messages) return;
  const { firstSequence } = stored;
  let toSequence = stored.lastSequence;
  let fates: Fates | undefined;
  for (
    let size = window;
    toSequence >= firstSequence;
    size = Math.max(window, Math.min(size * 4, mostAtOnce))
  ) {
    const from = filter === undefined ? Math.max(firstSequence, toSequence - size + 1) : firstSequence;
    const marked = await readMarked(connection, { start: { sequence: from }, toSequence, filter, signal });
    if (marked.length > 0) fates ??= await readFates(log, signal);
    const letters = fates ? withFates(flow, marked, fates) : [];
    yield { letters: letters.filter((dead) => isOf(flow, dead)), isLast: from === firstSequence };
    toSequence = from - 1;
  }
}

/**
 * Not of another flow, whose dead letters are in the same stream: that one has services of other names. A stream of other
 * programs may be that of several flows.
 */
const isOf = ({ stream, isManaged, services }: FlowShape, { letter }: DeadMessage): boolean =>
  (isManaged && letter.stream === stream) ||
  services.includes(letter.service) ||
  letter.reason === unreadable;

type Fates = {
  redrives: ReadonlyMap<number, Redrive[]>;
  isDone: (consumer: string, sequence: number) => boolean;
  /** Maps a dead letter that failed again to its newest successor, among those read so far. */
  next: Map<number, number>;
};

const readFates = async (log: FlowLog, signal: AbortSignal | undefined): Promise<Fates> => ({
  redrives: await readRedrives(log.connection, signal),
  isDone: await readRedriveProgress(log),
  next: new Map(),
});

/** Newest first. Relies on windows being read from the end of the stream: successors are already in `next`. */
function withFates(flow: FlowShape, found: Marked[], { redrives, isDone, next }: Fates): DeadMessage[] {
  found.reverse();
  for (const marked of found) follow(marked, next);
  return found.map((marked) => {
    const { mark, place } = marked;
    const own = redrives.get(place.sequence)?.filter(({ deadAtUs }) => deadAtUs === mark.atUs) ?? [];
    const after = next.get(place.sequence) ?? null;
    const done = own.every(({ consumer, sequence }) => isDone(consumer, sequence));
    const state = stateOf({ redriven: own.length > 0, done, after });
    const times = own.map(({ by, storedAtUs }) => ({ by, at: isoTime(storedAtUs) }));
    const letter = letterOf(flow, marked, { state, redrives: times, next: after });
    return { letter, mark, subject: place.subject, redriveSequences: own.map(({ sequence }) => sequence) };
  });
}

type StrangersMark = Omit<DeadLetterMark, "reason"> & { reason: typeof unreadable };

/** Where a dead letter is stored, and the size of its payload. */
type Place = { subject: string; sequence: number; storedAtUs: number; payloadBytes: number };

type Marked = { mark: DeadLetterMark | StrangersMark; place: Place };

async function readMarked(
  connection: Connection,
  { signal, ...range }: Omit<StreamRange, "stream" | "signal"> & { signal: AbortSignal | undefined },
): Promise<Marked[]> {
  const found: Marked[] = [];
  const scan = { stream: deadLettersStream, ...range, ...(signal && { signal }) };
  await scanStream(connection, scan, (message) => {
    const { subject, sequence, storedAtUs, payload } = message;
    const mark = decodeMark(message.header(deadLetterHeader)) ?? markOfStranger(message);
    found.push({ mark, place: { subject, sequence, storedAtUs, payloadBytes: payload.length } });
  });
  signal?.throwIfAborted();
  return found;
}

function markOfStranger({ subject, sequence, storedAtUs, header }: StoredMessage): StrangersMark {
  const fault = header(deadLetterHeader) === undefined ? "it has none" : "what it has is not one of ours";
  return {
    delivery: "",
    reason: unreadable,
    detail: `a dead letter has a header ${deadLetterHeader} that tells of it: ${fault}`,
    attempts: 0,
    origin: { stream: deadLettersStream, subject, sequence, storedAtUs },
    consumer: "",
    service: subject.split(".")[1] ?? "",
    instance: "",
    atUs: storedAtUs,
    redriveOf: null,
    omittedBytes: null,
  };
}

/** Records the successor of a dead letter that failed again: the newest one when there are several. */
function follow({ mark: { redriveOf }, place: { sequence } }: Marked, next: Map<number, number>): void {
  if (redriveOf !== null && redriveOf < sequence && !next.has(redriveOf)) next.set(redriveOf, sequence);
}

type Redrive = RedriveMark & { consumer: string; sequence: number; storedAtUs: number };

/** Maps the sequence of a dead letter to its redrives, oldest first. */
async function readRedrives(
  connection: Connection,
  signal: AbortSignal | undefined,
): Promise<Map<number, Redrive[]>> {
  const found = new Map<number, Redrive[]>();
  if (!(await readStreamSize(connection, redrivesStream))?.messages) return found;
  const scan = { stream: redrivesStream, ...(signal && { signal }) };
  await scanStream(connection, scan, ({ subject, sequence, storedAtUs, header }) => {
    const mark = decodeRedrive(header(redriveHeader));
    if (!mark) return;
    const redrive = { ...mark, consumer: subject.split(".")[1] ?? "", sequence, storedAtUs };
    const before = found.get(mark.deadLetter);
    if (before) before.push(redrive);
    else found.set(mark.deadLetter, [redrive]);
  });
  return found;
}

/**
 * Returns a function that tells whether a redrive, given its consumer and sequence, was acknowledged for good. A
 * pending redrive makes later ones look pending too: the broker tells only up to which sequence a consumer has
 * acknowledged everything.
 */
async function readRedriveProgress({
  connection,
  flow,
}: FlowLog): Promise<(consumer: string, sequence: number) => boolean> {
  const progress = new Map<string, number>();
  for (const { consumer } of flow.subscriptions) {
    progress.set(consumer, await readConsumerProgress(connection, redrivesStream, redriverOf(consumer)));
  }
  return (consumer, sequence) => sequence <= (progress.get(consumer) ?? 0);
}

function stateOf(known: { redriven: boolean; done: boolean; after: number | null }): DeadLetterState {
  if (known.after !== null) return "failed_again";
  if (!known.redriven) return "open";
  return known.done ? "done" : "under_way";
}

/** A worker that has read the key elsewhere than in the subject has named the copy after it. */
function keyKept(flow: FlowShape, subject: string): string | null {
  const token = subject.split(".")[2] ?? "";
  return flow.isManaged || isHash(token) ? null : token;
}

function letterOf(
  flow: FlowShape,
  { mark, place: { subject: keptUnder, sequence, payloadBytes, storedAtUs } }: Marked,
  fate: Pick<DeadLetter, "state" | "redrives" | "next">,
): DeadLetter {
  const { origin, instance, consumer, reason, detail, attempts, redriveOf } = mark;
  return {
    sequence,
    at: isoTime(storedAtUs),
    reason,
    detail,
    attempts,
    orderId: flow.parseSubject(origin.subject)?.key ?? keyKept(flow, keptUnder),
    // Permissions protect the subject of a dead letter, but not its mark: any service could write any name there.
    service: keptUnder.split(".")[1] ?? mark.service,
    instance,
    consumer,
    stream: origin.stream,
    subject: origin.subject,
    storedSequence: origin.sequence,
    storedAt: isoTime(origin.storedAtUs),
    payloadBytes: mark.omittedBytes ?? payloadBytes,
    hasPayload: mark.omittedBytes === null,
    redriveOf,
    ...fate,
  };
}
