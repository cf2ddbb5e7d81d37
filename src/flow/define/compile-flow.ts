import { isDeepStrictEqual } from "node:util";
import type protobuf from "protobufjs";
import { OrderctlError } from "../../core/errors.ts";
import { compileFlow, type Flow, type FlowShape } from "../flow.ts";
import { deadLettersStream, flowsBucket, redrivesStream } from "../flow-topology.ts";
import type { DefinedFlow } from "./define-flow.ts";
import { definitionFault } from "./definition-fault.ts";
import { type DataEvent, decodeEvent, encodeEvent, refusal } from "./event-codec.ts";
import { type DefinedEvents, eventsOf, kindsOf } from "./flow-kinds.ts";
import { payloadsOf } from "./flow-payloads.ts";
import { isName, subscriptionsOf } from "./flow-services.ts";
import { keyOfToken, longestToken } from "./key-token.ts";
import { lifecycleAudit } from "./lifecycle-audit.ts";
import type { Payload } from "./payload.ts";
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

const streamForm = /^[A-Za-z0-9_-]{1,32}$/;
/** Streams that are orderctl's own: of the built-in flow, and of all flows. */
const ownStreams = new Set(["ORDERS", "TRACES", deadLettersStream, redrivesStream]);
const isOwnStream = (stream: string): boolean => ownStreams.has(stream) || /^(?:KV|OBJ)_/.test(stream);

function faultOf({ definition }: DefinedFlow): string | undefined {
  const { name, key } = definition;
  if (!isName(name)) return `a flow's name is small letters, digits and '-', not ${JSON.stringify(name)}`;
  if (name === "orders") return "the flow orders is built in: name another";
  if (typeof key !== "string" || key === "")
    return "it has no key: the field that names what its events are about";
  return faultOfStream(definition.stream ?? name.toUpperCase()) ?? faultOfPromises(definition);
}

function faultOfStream(stream: string): string | undefined {
  if (!streamForm.test(stream)) return `${JSON.stringify(stream)} is no name of a stream`;
  return isOwnStream(stream)
    ? `the stream ${stream} is orderctl's own: name another (stream: "…")`
    : undefined;
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
  const { name, key, stream = name.toUpperCase(), noun } = defined.definition;
  const kinds = kindsOf({ defined, events, payloads });
  // `claims` is about a claim.
  const [one, many] = noun ?? [name.replace(/s$/, ""), name];
  const table = {
    stream,
    isKey: (text: string) => keyOfToken(text) !== undefined,
    keyName: `a ${key}`,
    keyForm: `1 to ${longestToken} letters, digits, '-' or '_', with other characters escaped: %20`,
    keyField: key,
    noun: { one, many },
    kinds,
    services: subscriptionsOf(defined, kinds),
    sources: [name],
    buckets: [{ name: flowsBucket }],
    secondEvent: `a second event of a kind for a ${one} is taken, and what follows from it is done twice`,
  };
  try {
    return compileFlow(table);
  } catch (thrown) {
    throw definitionFault(defined.place, OrderctlError.from(thrown).message);
  }
}

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
  const decode = decodeEvent(payloads, definition.key);
  const encode = encodeEvent(payloads, definition.key);
  return {
    ...shape,
    decode: (subject, bytes) => checkStatus(decode({ subject, place: shape.parseSubject(subject) }, bytes)),
    encode(event) {
      const encoded = encode(shape.subjectOf(event.kind, event.key), event);
      // What could not be read again would take the event's place for good.
      checkStatus(encoded.event);
      return encoded.bytes;
    },
    keyOf: ({ key }) => key,
    hasOtherStatus(kind, bytes, status) {
      const field = statusField(kind);
      const peeked = field === undefined ? undefined : payloads[kind]?.peek(bytes, field);
      return peeked !== undefined && peeked !== status;
    },
    isSame: (one, other) => isDeepStrictEqual(one, other),
    describe: (event) => ({ outcome: statusOf(event) ?? event.kind.toUpperCase(), detail: null }),
    phrase: (kind, { outcome }) => (statusField(kind) === undefined ? "" : outcome),
    totalOf: () => undefined,
    document: ({ data }) => data,
    columns: {},
    audit: lifecycleAudit({ shape, promises: definition.audit ?? [], statusOf }),
    countersOf: () => ({ stored: () => {}, called: () => {} }),
  };
}
