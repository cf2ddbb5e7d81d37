import { partitionOf } from "./partition.ts";

/** The kind and key that a message of the flow is about. */
export type EventPlace = { kind: string; key: string };

/** A message, as far as it tells which event it is. */
export type Addressed = {
  subject: string;
  payload: Uint8Array;
  header(name: string): string | undefined;
};

/** Where the events of a flow are on the broker: how subjects, headers and payloads name their kind and key. */
export type Layout = {
  /**
   * Whether orderctl makes the flow's stream, which then refuses a second event of a kind for a key. Another stream is
   * left as it is: it may hold several, and loses what its owner's limits let go.
   */
  readonly isManaged: boolean;
  /** The subject of an event that is to be stored. In a managed stream it is the event's identity. */
  subjectOf(kind: string, key: string): string;
  /** Into how many partitions the keys are divided, by a token of the subject; undefined where they are not. */
  readonly partitions?: number | undefined;
  /** All subjects that events of a kind can have, in all partitions or in one. */
  filterOf(kind: string, partition?: number): string;
  /** All subjects that events of a key can have; undefined where subjects do not tell. */
  filterOfKey(key: string): string | undefined;
  /** With a placeholder for the key: low cardinality, so it may be a metric label or part of a span name. */
  templateOf(kind: string): string;
  /** Undefined for a subject that does not belong to the flow, or names no key. Per message: < 0.5 µs. */
  parseSubject(subject: string): EventPlace | undefined;
  /** As `parseSubject`, for flows whose keys are in headers or payloads as well. */
  placeOf(message: Addressed): EventPlace | undefined;
  /** Whether a message on a subject of a kind is an event of that kind, or of another one and no concern of its service. */
  takes(kind: string, message: Addressed): boolean;
  /** The headers that an event needs to be found again, beside its subject. */
  headersOf(kind: string, key: string): Readonly<Record<string, string>> | undefined;
};

type Own = { stream: string; kinds: readonly string[]; isKey(text: string): boolean; keyField: string };

/** The layout of a stream of orderctl's own: `<stream>.<kind>.<key>`. */
export function ownLayout({ stream, kinds, isKey, keyField }: Own): Layout {
  const parseSubject = subjectParser({ stream, kinds: new Set(kinds), isKey });
  const subjectOf = (kind: string, key: string) => `${stream}.${kind}.${key}`;
  return {
    isManaged: true,
    subjectOf,
    filterOf: (kind) => subjectOf(kind, "*"),
    filterOfKey: (key) => subjectOf("*", key),
    templateOf: (kind) => subjectOf(kind, `{${keyField}}`),
    parseSubject,
    placeOf: ({ subject }) => parseSubject(subject),
    takes: () => true,
    headersOf: () => undefined,
  };
}

/** The same with the partition of the key before it: `<stream>.<kind>.<partition>.<key>`. */
export function partitionedLayout({ stream, kinds, isKey, keyField }: Own, partitions: number): Layout {
  const known = new Set(kinds);
  const subjectOf = (kind: string, key: string) => `${stream}.${kind}.${partitionOf(key, partitions)}.${key}`;
  const parseSubject = (subject: string): EventPlace | undefined => {
    const [, kind = "", , key = ""] = subject.split(".");
    const isOwn = known.has(kind) && isKey(key) && subject === subjectOf(kind, key);
    return isOwn ? { kind, key } : undefined;
  };
  return {
    isManaged: true,
    partitions,
    subjectOf,
    filterOf: (kind, partition) => `${stream}.${kind}.${partition ?? "*"}.*`,
    filterOfKey: (key) => subjectOf("*", key),
    templateOf: (kind) => `${stream}.${kind}.{partition}.{${keyField}}`,
    parseSubject,
    placeOf: ({ subject }) => parseSubject(subject),
    takes: () => true,
    headersOf: () => undefined,
  };
}

type Known = { stream: string; kinds: ReadonlySet<string>; isKey(text: string): boolean };

const subjectParser =
  ({ stream, kinds, isKey }: Known): Layout["parseSubject"] =>
  (subject) => {
    const first = subject.indexOf(".");
    const second = subject.indexOf(".", first + 1);
    const kind = subject.slice(first + 1, second);
    const key = subject.slice(second + 1);
    if (second < 0 || !kinds.has(kind) || !isKey(key)) return undefined;
    return first === stream.length && subject.startsWith(stream) ? { kind, key } : undefined;
  };

/**
 * A subject as text. As a delivery has it, it has one character per byte; as the broker's JSON has it, it is decoded
 * already.
 */
export function subjectText(subject: string): string {
  if (!/[\u0080-\u00ff]/.test(subject)) return subject;
  const decoded = Buffer.from(subject, "latin1").toString();
  return decoded.includes("\ufffd") ? subject : decoded;
}
