import { overlap } from "../../jetstream/streams/replay-streams.ts";
import { deadLettersStream, redrivesStream } from "../flow-topology.ts";
import { faultOfSubject, isConcrete, isKeyToken } from "./existing-layout.ts";
import type { ExistingStream, FlowDefinition } from "./types.ts";

type Definition = Pick<FlowDefinition, "name" | "stream" | "key" | "keyFrom" | "partitions" | "events">;

/** The stream of a definition. */
export const streamOf = ({
  name,
  stream = name.toUpperCase(),
}: Pick<Definition, "name" | "stream">): string => (typeof stream === "string" ? stream : stream.name);

/** Whether other programs made the stream. */
export const isExisting = (stream: Definition["stream"]): stream is ExistingStream =>
  typeof stream === "object";

/** The field of every event that holds the key; undefined where the key is elsewhere, or deeper. */
export function keyFieldOf({ stream, key, keyFrom, events }: Definition): string | undefined {
  if (!isExisting(stream)) return key;
  const isTold = Object.values(events).every((event) => hasKey(subjectIn(event)));
  if (isTold || (keyFrom && "header" in keyFrom)) return undefined;
  const field = keyFrom?.field ?? key;
  return field.includes(".") ? undefined : field;
}

const subjectIn = (event: FlowDefinition["events"][string]): string | undefined =>
  typeof event === "string" ? undefined : event.subject;

const hasKey = (subject = ""): boolean => subject.split(".").some(isKeyToken);

/** Each is a subject of the stream, and a consumer for each ordered service. */
const mostPartitions = 256;

const streamForm = /^[A-Za-z0-9_-]{1,32}$/;
/** Streams that are orderctl's own: of the built-in flow, and of all flows. */
const ownStreams = new Set(["ORDERS", "TRACES", deadLettersStream, redrivesStream]);
const isOwnStream = (stream: string): boolean => ownStreams.has(stream) || /^(?:KV|OBJ)_/.test(stream);

/** What is wrong with what a definition says of its stream; undefined where nothing is. */
export function faultOfStream(definition: Definition, emitted: ReadonlySet<string>): string | undefined {
  const { stream } = definition;
  const name = streamOf(definition);
  if (isExisting(stream) && stream.manage !== false)
    return `a stream of orderctl's own is named by a text (stream: ${JSON.stringify(name)}), one of other programs by { name, manage: false }`;
  if (!streamForm.test(name)) return `${JSON.stringify(name)} is no name of a stream`;
  if (isOwnStream(name)) return `the stream ${name} is orderctl's own: name another (stream: "…")`;
  const { partitions = 1 } = definition;
  if (!Number.isInteger(partitions) || partitions < 1 || partitions > mostPartitions)
    return `partitions are 1 to ${mostPartitions}, not ${JSON.stringify(partitions)}`;
  return isExisting(stream) ? faultOfExisting(definition, emitted) : faultOfOwn(definition);
}

function faultOfOwn({ keyFrom, events }: Definition): string | undefined {
  const hint = 'which is for a stream that other programs made (stream: { name: "…", manage: false })';
  if (keyFrom !== undefined) return `it has keyFrom, ${hint}`;
  for (const [kind, event] of Object.entries(events)) {
    const set = (["subject", "headers"] as const).find(
      (field) => typeof event === "object" && field in event,
    );
    if (set !== undefined) return `${kind} has ${set}, ${hint}`;
  }
  return undefined;
}

function faultOfExisting(
  { events, partitions, keyFrom }: Definition,
  emitted: ReadonlySet<string>,
): string | undefined {
  for (const [kind, event] of Object.entries(events)) {
    const subject = subjectIn(event);
    const fault = faultOfSubject(subject, partitions);
    if (fault !== undefined) return `${kind} ${fault}`;
    if (emitted.has(kind) && !isConcrete(subject ?? ""))
      return `${kind} is emitted, so it needs a subject without * and >, not ${subject}`;
  }
  const taken = headersIn(events, keyFrom).find((name) => actingHeader.test(name));
  if (taken !== undefined)
    return `the header ${taken} is the broker's or orderctl's own: it cannot tell a kind or a key`;
  return faultOfOverlap(Object.entries(events));
}

/** Headers that the broker or orderctl writes and acts on. */
const actingHeader = /^(?:nats-|orderctl-|traceparent$|tracestate$)/i;

const headersIn = (events: Definition["events"], keyFrom: Definition["keyFrom"]): string[] => [
  ...Object.values(events).flatMap((event) => Object.keys(headersOf(event))),
  ...(keyFrom && "header" in keyFrom ? [keyFrom.header] : []),
];

const headersOf = (event: FlowDefinition["events"][string]): Readonly<Record<string, string>> =>
  typeof event === "string" ? {} : (event.headers ?? {});

/** A message is of one kind: by its subject, or by a header of which each kind has another value. */
function faultOfOverlap(kinds: readonly [string, FlowDefinition["events"][string]][]): string | undefined {
  for (const [index, [kind, event]] of kinds.entries())
    for (const [other, otherEvent] of kinds.slice(index + 1)) {
      const [one, two] = [headersOf(event), headersOf(otherEvent)];
      const isTold = Object.keys(one).some((name) => name in two && one[name] !== two[name]);
      if (!isTold && overlap(openSubject(event), openSubject(otherEvent)))
        return `${kind} and ${other} have subjects in common, and no header that tells them apart`;
    }
  return undefined;
}

const openSubject = (event: FlowDefinition["events"][string]): string =>
  (subjectIn(event) ?? "").replace(/\{[^{}]+\}/g, "*");
