import { OrderctlError } from "../core/errors.ts";
import type { FlowLog, FlowShape } from "../flow/flow.ts";
import type { Connection } from "../jetstream/client/connection.ts";
import type { StoredMessage } from "../jetstream/streams/read-message.ts";
import { countFrom, type StreamRange, sequenceAt } from "../jetstream/streams/read-stream.ts";
import { covers, isFilter, overlap, type ReplayStream } from "../jetstream/streams/replay-streams.ts";
import type { StreamStart } from "../jetstream/streams/stream-cursor.ts";

/**
 * Which messages of a stream to replay; an undefined field selects everything. Times are Unix µs; both ends are
 * inclusive.
 */
export type ReplaySelection = {
  sinceUs?: number | undefined;
  untilUs?: number | undefined;
  fromSequence?: number | undefined;
  toSequence?: number | undefined;
  /** May contain wildcards. */
  subject?: string | undefined;
  orderId?: string | undefined;
  kinds?: ReadonlySet<string> | undefined;
};

export type ReplayPlan = {
  place: StreamRange & { start: { sequence: number }; toSequence: number };
  /** The last archived sequence of the log; 0 for another stream. */
  archivedTo: number;
  /** Where only one key's messages are wanted: what is archived of them is looked up. */
  key: string | undefined;
  /** Tells whether a message read from `place` is selected. */
  wants(message: StoredMessage): boolean;
  /**
   * How many messages the stream has to read at `place` beyond what is archived: too low when messages arrive during
   * the count, never too high.
   */
  total: number;
  /** How many messages the stream had lost by then beyond what is archived: deleted, purged or expired. */
  removed: number;
};

/**
 * Fixes where to read: messages stored from now on are not part of the replay. Throws `usage` for a subject that the
 * stream cannot hold.
 */
export async function planReplay(
  log: FlowLog,
  stream: ReplayStream,
  selection: ReplaySelection,
): Promise<ReplayPlan> {
  const { connection, flow } = log;
  const { untilUs, toSequence = stream.lastSequence } = selection;
  const end = Math.min(toSequence, stream.lastSequence);
  const isLog = stream.name === flow.stream;
  const archivedTo = isLog ? Math.min(await log.archive.movedTo(), end) : 0;
  const base = { stream: stream.name, filter: filterOf(flow, stream, selection), toSequence: end, untilUs };
  const count = async (start: StreamStart) => ({
    start,
    ahead: await countFrom(connection, { ...base, start }),
  });
  const starts = await Promise.all([...startsOf(selection), { sequence: archivedTo + 1 }].map(count));
  const ends = await Promise.all(endsOf(end, untilUs).map(count));
  // Of two starts the later one applies, of two ends the earlier one.
  const first = starts.reduce((later, other) => (other.ahead < later.ahead ? other : later));
  const beyond = Math.max(...ends.map(({ ahead }) => ahead));
  const total = Math.max(0, first.ahead - beyond);
  const archivedFrom = archivedTo === 0 ? 1 : await firstArchived(log, selection);
  const isArchived = archivedFrom <= archivedTo;
  const sequence = isArchived ? archivedFrom : await sequenceOf(connection, stream.name, first.start);
  return {
    place: { ...base, start: { sequence } },
    archivedTo,
    key: isLog ? keyIn(flow, selection) : undefined,
    wants: chooser(flow, selection),
    total,
    removed: await countRemoved(connection, stream, archivedTo),
  };
}

/** Fixed now: by the time that it is reached, what is there may have been moved into the archive. */
const sequenceOf = async (connection: Connection, stream: string, start: StreamStart): Promise<number> =>
  "sequence" in start ? start.sequence : sequenceAt(connection, { stream, start });

/** The key that all selected messages of the log are about; undefined where there may be several. */
function keyIn(flow: FlowShape, { orderId, subject = "" }: ReplaySelection): string | undefined {
  const [stream, , key = "", ...others] = subject.split(".");
  const isOfKey = stream === flow.stream && others.length === 0 && flow.isKey(key);
  return orderId ?? flow.parseSubject(subject)?.key ?? (isOfKey ? key : undefined);
}

/** The first archived sequence that may be selected. */
async function firstArchived(
  { archive }: FlowLog,
  { fromSequence = 1, sinceUs }: ReplaySelection,
): Promise<number> {
  return sinceUs === undefined ? fromSequence : Math.max(fromSequence, await archive.sequenceAt(sinceUs));
}

/** How many of the messages beyond what is archived the stream no longer holds. */
export async function countRemoved(
  connection: Connection,
  { name, lastSequence, removed }: ReplayStream,
  archivedTo: number,
): Promise<number> {
  if (archivedTo === 0) return removed;
  const held = await countFrom(connection, { stream: name, start: { sequence: archivedTo + 1 } });
  return Math.max(0, lastSequence - archivedTo - held);
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

/**
 * The filter for the broker, which refuses one that is wider than the stream's own subjects; `wants` covers the rest.
 */
function filterOf(
  flow: FlowShape,
  { name, subjects }: ReplayStream,
  { subject, orderId }: ReplaySelection,
): string | undefined {
  if (subject === undefined) {
    return orderId !== undefined && name === flow.stream ? flow.filterOfKey(orderId) : undefined;
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

/**
 * Checks every condition, even those the broker already filters by: the check is cheap, and the broker cannot filter by
 * all of them.
 */
function chooser(flow: FlowShape, selection: ReplaySelection): ReplayPlan["wants"] {
  const { subject: filter, orderId, kinds, fromSequence = 1, sinceUs = 0 } = selection;
  return (message) => {
    const { subject, sequence, storedAtUs } = message;
    return (
      sequence >= fromSequence &&
      storedAtUs >= sinceUs &&
      (filter === undefined || covers(filter, subject)) &&
      (orderId === undefined || isOfKey(flow, message, orderId)) &&
      (kinds === undefined || isOfKind(flow, message, kinds))
    );
  };
}

/** In a stream of orderctl's own, also for a copy of an event under another prefix. */
const isOfKey = (flow: FlowShape, message: StoredMessage, key: string): boolean =>
  flow.isManaged ? message.subject.endsWith(`.${key}`) : flow.placeOf(message)?.key === key;

function isOfKind(flow: FlowShape, message: StoredMessage, kinds: ReadonlySet<string>): boolean {
  const kind = flow.placeOf(message)?.kind;
  return kind !== undefined && kinds.has(kind);
}

/**
 * The subject that an event has in the flow's log, for the event itself or its copy under another prefix; any other
 * subject is returned unchanged.
 */
export function logSubject(flow: FlowShape, subject: string): string {
  if (!flow.isManaged) return subject;
  const behindStream = flow.templateOf(flow.firstKind).split(".").length - 1;
  const own = `${flow.stream}.${subject.split(".").slice(-behindStream).join(".")}`;
  return flow.parseSubject(own) ? own : subject;
}

/** The subject with its last token replaced by `*`, under which messages are counted: `ORDERS.created.*`. */
export function subjectGroup(subject: string): string {
  const dot = subject.lastIndexOf(".");
  return dot < 0 ? subject : `${subject.slice(0, dot)}.*`;
}

/**
 * Names for the span of a message: `template` is the subject with a placeholder for the order id, of low cardinality;
 * `orderId` is empty when the subject names no order.
 */
export function traceNames(flow: FlowShape, subject: string): { template: string; orderId: string } {
  const group = subjectGroup(subject);
  const named = flow.parseSubject(logSubject(flow, subject));
  if (!named) return { template: group, orderId: "" };
  if (!flow.isManaged) return { template: flow.templateOf(named.kind), orderId: named.key };
  return { template: `${group.slice(0, -1)}{${flow.keyField}}`, orderId: named.key };
}
