import { OrderctlError } from "../core/errors.ts";
import type { FlowLog, FlowShape } from "../flow/flow.ts";
import type { StoredMessage } from "../jetstream/streams/read-message.ts";
import { countFrom, type StreamRange } from "../jetstream/streams/read-stream.ts";
import { covers, isFilter, overlap, type ReplayStream } from "../jetstream/streams/replay-streams.ts";
import type { StreamStart } from "../jetstream/streams/stream-cursor.ts";

/** Which messages of a stream; what is undefined chooses nothing. Times in Unix µs, both ends included. */
export type ReplaySelection = {
  sinceUs?: number | undefined;
  untilUs?: number | undefined;
  fromSequence?: number | undefined;
  toSequence?: number | undefined;
  /** With wildcards. */
  subject?: string | undefined;
  orderId?: string | undefined;
  kinds?: ReadonlySet<string> | undefined;
};

export type ReplayPlan = {
  place: StreamRange & { start: StreamStart; toSequence: number };
  /** Chooses among what is read there. */
  wants(message: StoredMessage): boolean;
  /** How many messages it holds; fewer where some arrived while they were counted, never more. */
  total: number;
  /** How many the stream had lost by then: deleted, purged or expired. */
  removed: number;
};

/**
 * Where to read, fixed now: what is stored from here on is not part of it. Throws `usage` for a subject that the stream
 * cannot hold.
 */
export async function planReplay(
  { connection, flow }: FlowLog,
  stream: ReplayStream,
  selection: ReplaySelection,
): Promise<ReplayPlan> {
  const { untilUs, toSequence = stream.lastSequence } = selection;
  const end = Math.min(toSequence, stream.lastSequence);
  const base = { stream: stream.name, filter: filterOf(flow, stream, selection), toSequence: end, untilUs };
  const count = async (start: StreamStart) => ({
    start,
    ahead: await countFrom(connection, { ...base, start }),
  });
  const starts = await Promise.all(startsOf(selection).map(count));
  const ends = await Promise.all(endsOf(end, untilUs).map(count));
  // Where two starts are given the later one counts, and of two ends the earlier one.
  const first = starts.reduce((later, other) => (other.ahead < later.ahead ? other : later));
  const beyond = Math.max(...ends.map(({ ahead }) => ahead));
  const total = Math.max(0, first.ahead - beyond);
  return {
    place: { ...base, start: first.start },
    wants: chooser(flow, selection),
    total,
    removed: stream.removed,
  };
}

type Start = [StreamStart, ...StreamStart[]];

const startsOf = ({ fromSequence = 1, sinceUs }: ReplaySelection): Start => [
  { sequence: fromSequence },
  ...(sinceUs === undefined ? [] : [{ timeUs: sinceUs }]),
];

const endsOf = (toSequence: number, untilUs: number | undefined): Start => [
  { sequence: toSequence + 1 },
  ...(untilUs === undefined ? [] : [{ timeUs: untilUs + 1 }]),
];

/** What the broker can filter by; a broker refuses a filter that is wider than the stream's own subjects. */
function filterOf(
  flow: FlowShape,
  { name, subjects }: ReplayStream,
  { subject, orderId }: ReplaySelection,
): string | undefined {
  if (subject === undefined) {
    return orderId !== undefined && name === flow.stream ? flow.subjectOf("*", orderId) : undefined;
  }
  if (!isFilter(subject)) {
    throw new OrderctlError("usage", `${JSON.stringify(subject)} is not a subject or filter of NATS`, {
      hint: "for example 'ORDERS.created.*'; * is one token, > at the end is all that follow",
    });
  }
  if (subjects.length > 0 && !subjects.some((own) => overlap(own, subject))) {
    throw new OrderctlError("usage", `stream ${name} holds no subject like ${subject}`, {
      hint: `its subjects are ${subjects.join(", ")}`,
    });
  }
  return subjects.some((own) => covers(own, subject)) ? subject : undefined;
}

/** The same once more where the broker filters: it is cheap, and not every choice is the broker's to make. */
function chooser(flow: FlowShape, selection: ReplaySelection): ReplayPlan["wants"] {
  const { subject: filter, orderId, kinds, fromSequence = 1, sinceUs = 0 } = selection;
  return ({ subject, sequence, storedAtUs }) =>
    sequence >= fromSequence &&
    storedAtUs >= sinceUs &&
    (filter === undefined || covers(filter, subject)) &&
    (orderId === undefined || subject.endsWith(`.${orderId}`)) &&
    (kinds === undefined || isOfKind(flow, subject, kinds));
}

function isOfKind(flow: FlowShape, subject: string, kinds: ReadonlySet<string>): boolean {
  const kind = flow.parseSubject(subject)?.kind;
  return kind !== undefined && kinds.has(kind);
}

/** The subject that an event of the flow has in the log, also where this is a copy under another prefix; else itself. */
export function logSubject(flow: FlowShape, subject: string): string {
  const own = `${flow.stream}.${subject.split(".").slice(-2).join(".")}`;
  return flow.parseSubject(own) ? own : subject;
}

/** The subject under another prefix: its first token is replaced. */
export function underPrefix(subject: string, prefix: string): string {
  const dot = subject.indexOf(".");
  return dot < 0 ? prefix : prefix + subject.slice(dot);
}

/** The subject with its last token left open, as messages are counted: `ORDERS.created.*`. */
export function subjectGroup(subject: string): string {
  const dot = subject.lastIndexOf(".");
  return dot < 0 ? subject : `${subject.slice(0, dot)}.*`;
}

/** The subject with its order left open: what may stand in span names; with the order's id, empty where there is none. */
export function traceNames(flow: FlowShape, subject: string): { template: string; orderId: string } {
  const group = subjectGroup(subject);
  const named = flow.parseSubject(logSubject(flow, subject));
  if (!named) return { template: group, orderId: "" };
  return { template: `${group.slice(0, -1)}{order_id}`, orderId: named.key };
}
