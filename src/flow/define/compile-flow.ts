import { isDeepStrictEqual } from "node:util";
import type protobuf from "protobufjs";
import { OrderctlError } from "../../core/errors.ts";
import { covers } from "../../jetstream/streams/replay-streams.ts";
import { compileFlow, type Flow, type FlowShape } from "../flow.ts";
import { flowsBucket } from "../flow-topology.ts";
import { type Addressed, type EventPlace, type Layout, partitionedLayout } from "../layout.ts";
import type { DefinedFlow } from "./define-flow.ts";
import { definitionFault } from "./definition-fault.ts";
import { type DataEvent, decodeEvent, encodeEvent, refusal, unfit } from "./event-codec.ts";
import { existingLayout } from "./existing-layout.ts";
import { type DefinedEvents, eventsOf, kindsOf } from "./flow-kinds.ts";
import { flowCounters } from "./flow-metrics.ts";
import { payloadsOf } from "./flow-payloads.ts";
import { bucketOnBroker, isName, subscriptionsOf } from "./flow-services.ts";
import { keyOfToken, longestToken, tokenOfText } from "./key-token.ts";
import { lifecycleAudit } from "./lifecycle-audit.ts";
import type { Payload } from "./payload.ts";
import { faultOfStream, isExisting, streamOf } from "./stream-of.ts";
import type { AuditPromise } from "./types.ts";

/** A defined flow, in the form in which the code for any flow uses it. */
export type CompiledFlow = {
  flow: Flow<DataEvent>;
  defined: DefinedFlow;
  /** The protobuf messages by kind; undefined for the kinds of other formats. */
  types: Readonly<Record<string, Payload["type"]>>;
};

/**
 * Reads the definition's `.proto` files, where their types are not given as `root`, and checks that its parts fit
 * together. Throws `usage` with file, line and reason.
 */
export async function compileDefinedFlow(defined: DefinedFlow, root?: protobuf.Root): Promise<CompiledFlow> {
  const fault = faultOf(defined);
  if (fault !== undefined) throw definitionFault(defined.place, fault);
  const events = eventsOf(defined);
  const payloads = await payloadsOf(defined, events, root);
  const shape = shapeOf(defined, events, payloads);
  const types = Object.fromEntries(Object.entries(payloads).map(([kind, { type }]) => [kind, type]));
  return { flow: flowOf(defined, { shape, events, payloads }), defined, types };
}

function faultOf({ definition, services }: DefinedFlow): string | undefined {
  const { name, key } = definition;
  if (!isName(name)) return `a flow's name is small letters, digits and '-', not ${JSON.stringify(name)}`;
  if (name === "orders") return "the flow orders is built in: name another";
  if (typeof key !== "string" || key === "")
    return "it has no key: the field that names what its events are about";
  const bucket = definition.buckets?.find((each) => !isName(each));
  if (bucket !== undefined)
    return `a bucket's name is small letters, digits and '-', not ${JSON.stringify(bucket)}`;
  const emitted = new Set(services.flatMap(({ service }) => service?.emits ?? []));
  return (
    faultOfStream({ ...definition, events: definition.events ?? {} }, emitted) ?? faultOfPromises(definition)
  );
}

function faultOfPromises({ events, audit = [] }: DefinedFlow["definition"]): string | undefined {
  const kinds = Object.keys(events ?? {});
  const stranger = audit.flatMap(kindsOfPromise).find((kind) => !kinds.includes(kind));
  if (stranger === undefined) return undefined;
  return `audit promises something of ${stranger}, which is no event of the flow: ${kinds.join(", ")}`;
}

const kindsOfPromise = (promise: AuditPromise): string[] => [
  promise.kind,
  ...(promise.is === "ends" ? promise.in : [promise.needs]),
];

function shapeOf(
  defined: DefinedFlow,
  events: DefinedEvents,
  payloads: Readonly<Record<string, Payload>>,
): FlowShape {
  const { definition } = defined;
  const { name, key, noun } = definition;
  const kinds = kindsOf({ defined, events, payloads });
  // `claims` is about a claim.
  const [one, many] = noun ?? [name.replace(/s$/, ""), name];
  const isKey = (text: string) => keyOfToken(text) !== undefined;
  const { partitions } = definition;
  const own = { stream: streamOf(definition), kinds: Object.keys(kinds), isKey, keyField: key };
  const divided = partitions === undefined ? undefined : partitionedLayout(own, partitions);
  const layout = isExisting(definition.stream) ? existingIn(definition, events, payloads) : divided;
  const table = {
    name,
    stream: streamOf(definition),
    ...(layout && { layout }),
    isKey,
    keyTyped: (text: string) => (isKey(text) ? text : tokenOfText(text)),
    keyName: `a ${key}`,
    keyForm: `1 to ${longestToken} letters, digits, '-' or '_', with other characters escaped: %20`,
    keyField: key,
    noun: { one, many },
    kinds,
    services: subscriptionsOf(defined, kinds),
    sources: [name],
    buckets: [
      { name: flowsBucket },
      ...(definition.buckets ?? []).map((each) => ({ name: bucketOnBroker(name, each) })),
    ],
    secondEvent: `a second event of a kind for a ${one} is taken, and what follows from it is done twice`,
  };
  try {
    return compileFlow(table);
  } catch (thrown) {
    throw definitionFault(defined.place, OrderctlError.from(thrown).message);
  }
}

const existingIn = (
  { key, keyFrom = { field: key }, partitions }: DefinedFlow["definition"],
  events: DefinedEvents,
  payloads: Readonly<Record<string, Payload>>,
): Layout =>
  existingLayout({
    kinds: Object.entries(events).map(([kind, { subject = "", headers = {} }]) => ({
      kind,
      subject,
      headers,
    })),
    keyFrom,
    partitions,
    read: (kind, payload) => payloads[kind]?.decode(payload) ?? {},
  });

type Parts = { shape: FlowShape; events: DefinedEvents; payloads: Readonly<Record<string, Payload>> };

function flowOf({ definition }: DefinedFlow, { shape, events, payloads }: Parts): Flow<DataEvent> {
  const statusField = (kind: string) => events[kind]?.status;
  const statusOf = ({ kind, data }: DataEvent) => {
    const field = statusField(kind);
    return field === undefined ? undefined : String(data[field]);
  };
  const checkStatus = (event: DataEvent): DataEvent => {
    const status = statusOf(event);
    const known = shape.statusesOf(event.kind);
    if (status === undefined || known.includes(status)) return event;
    const field = statusField(event.kind);
    const subject = shape.subjectOf(event.kind, event.key);
    throw refusal(subject, `${field} is ${JSON.stringify(status)}, not one of ${known.join(", ")}`);
  };
  const keyField = shape.isManaged ? definition.key : undefined;
  const decode = decodeEvent(payloads, keyField);
  const encode = encodeEvent(payloads, keyField, shape.subjectOf);
  const outcomeOf = (event: DataEvent) => statusOf(event) ?? event.kind.toUpperCase();
  const placeOf = placing(shape, payloads);
  return {
    ...shape,
    decode(subject, payload, headers) {
      return checkStatus(decode({ subject, place: placeOf(subject, payload, headers) }, payload));
    },
    encode(event) {
      const encoded = encode(event);
      // What could not be read again would take the event's place for good.
      checkStatus(encoded.event);
      if (!shape.isManaged) mustBeFound(shape, event, encoded.bytes);
      return encoded.bytes;
    },
    keyOf: ({ key }) => key,
    hasOtherStatus(kind, bytes, status) {
      const field = statusField(kind);
      const peeked = field === undefined ? undefined : payloads[kind]?.peek(bytes, field);
      // What has none of the statuses is no event: it has to be decoded, and becomes a dead letter.
      return peeked !== undefined && peeked !== status && shape.statusesOf(kind).includes(peeked);
    },
    isSame: (one, other) => isDeepStrictEqual(one, other),
    describe: (event) => ({ outcome: outcomeOf(event), detail: null }),
    phrase: (kind, { outcome }) => (statusField(kind) === undefined ? "" : outcome),
    totalOf: () => undefined,
    document: ({ data }) => data,
    columns: {},
    audit: lifecycleAudit({ shape, promises: definition.audit ?? [], statusOf }),
    countersOf: flowCounters({ ...shape, outcomeOf }),
  };
}

type Placing = (
  subject: string,
  payload: Uint8Array,
  headers?: Pick<Addressed, "header">,
) => EventPlace | undefined;

const placing = (shape: FlowShape, payloads: Readonly<Record<string, Payload>>): Placing =>
  shape.isManaged
    ? (subject) => shape.parseSubject(subject)
    : (subject, payload, headers) =>
        placeIn(shape, payloads, { subject, payload, header: (name) => headers?.header(name) });

/** Throws `bad_message` for an event of an existing stream that would be taken for another one, or for one of no key. */
function mustBeFound(shape: FlowShape, { kind, key }: DataEvent, payload: Uint8Array): void {
  const subject = shape.subjectOf(kind, key);
  const headers = shape.headersOf(kind, key) ?? {};
  const place = shape.placeOf({ subject, payload, header: (name) => headers[name] });
  if (place?.kind === kind && place.key === key) return;
  const is = place === undefined ? "no key" : `the key ${keyOfToken(place.key) ?? place.key}`;
  throw refusal(subject, `an event of kind ${kind} with ${is} is not the one of ${keyOfToken(key) ?? key}`);
}

/** Throws `bad_message` where a message of an existing stream is no event of the flow, or names no key. */
function placeIn(
  { kinds, filterOf, takes, placeOf, keyField }: FlowShape,
  payloads: Readonly<Record<string, Payload>>,
  message: Addressed,
): EventPlace {
  const place = placeOf(message);
  if (place) return place;
  const { subject, payload } = message;
  const kind = kinds.find((each) => covers(filterOf(each), subject) && takes(each, message));
  if (kind === undefined) throw refusal(subject, "no event of the flow: its subject or headers are others");
  try {
    payloads[kind]?.decode(payload);
  } catch (thrown) {
    throw unfit(subject, `not readable as an event of kind ${kind}`, thrown);
  }
  throw refusal(subject, `it has no ${keyField}, which is its key`);
}
