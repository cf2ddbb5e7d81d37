import { OrderctlError } from "../../core/errors.ts";
import type { Flow, FlowEvent } from "../flow.ts";
import type { Addressed, EventPlace } from "../layout.ts";
import { keyOfToken, tokenOfKey } from "./key-token.ts";
import type { Data, Payload } from "./payload.ts";

/** An event of a flow that a user has defined. `key` is its token in subjects. */
export type DataEvent = { readonly kind: string; readonly key: string; readonly data: Data };

type Payloads = Readonly<Record<string, Payload>>;

type Subject = { subject: string; place: EventPlace | undefined };

/**
 * Throws `bad_message` for what is no event of the subject's kind and key. `keyField` is the field that has to hold the
 * key; undefined where it is elsewhere.
 */
export function decodeEvent(
  payloads: Payloads,
  keyField: string | undefined,
): (of: Subject, bytes: Uint8Array) => DataEvent {
  return ({ subject, place }, bytes) => {
    const payload = place && payloads[place.kind];
    if (!place || !payload) throw refusal(subject, "not a subject of the flow");
    const { kind, key } = place;
    let data: Data;
    try {
      data = payload.decode(bytes);
    } catch (thrown) {
      throw unfit(subject, `not readable as an event of kind ${kind}`, thrown);
    }
    const fault = keyFault(keyField, key, data);
    if (fault !== undefined) throw refusal(subject, fault);
    return { kind, key, data };
  };
}

/**
 * The payload, and the event as it will be read. Throws `bad_message` for an event that `decodeEvent` would refuse; only
 * then asks for its subject.
 */
export function encodeEvent(
  payloads: Payloads,
  keyField: string | undefined,
  subjectOf: (kind: string, key: string) => string,
): (event: DataEvent) => { bytes: Uint8Array; event: DataEvent } {
  return ({ kind, key, data: given }) => {
    const payload = payloads[kind];
    if (!payload) throw refusal(subjectOf(kind, key), `${kind} is no event of the flow`);
    let encoded: ReturnType<Payload["encode"]>;
    try {
      encoded = payload.encode(given);
    } catch (thrown) {
      throw unfit(subjectOf(kind, key), `no event of kind ${kind}`, thrown);
    }
    const { bytes, data } = encoded;
    const fault = keyFault(keyField, key, data);
    if (fault !== undefined) throw refusal(subjectOf(kind, key), fault);
    return { bytes, event: { kind, key, data } };
  };
}

function keyFault(keyField: string | undefined, key: string, data: Data): string | undefined {
  if (keyField === undefined) return undefined;
  const told = data[keyField];
  if (String(told) === keyOfToken(key)) return undefined;
  const shown = JSON.stringify(typeof told === "string" ? told.slice(0, 64) : told);
  return `${keyField} is ${shown ?? "missing"}, not the subject's`;
}

/** The error of a message whose payload does not fit. */
export const unfit = (subject: string, what: string, cause: unknown): OrderctlError =>
  refusal(subject, `${what}: ${cause instanceof Error ? cause.message : String(cause)}`, cause);

/** The error of a message that is no event. */
export const refusal = (subject: string, reason: string, cause?: unknown): OrderctlError =>
  new OrderctlError("bad_message", `${subject}: ${reason}`, { cause, source: "message" });

/** The headers that an event would be stored with, to be asked as those of a message. */
export function headersAs<E extends FlowEvent>(
  { headersOf, keyOf }: Pick<Flow<E>, "headersOf" | "keyOf">,
  event: E,
): Pick<Addressed, "header"> {
  const headers = headersOf(event.kind, keyOf(event)) ?? {};
  return { header: (name) => headers[name] };
}

/** An event as its producer gives it: the key is that of its data, as one token. Throws `bad_message` without one. */
export function eventOf(keyField: string, kind: string, data: Data): DataEvent {
  const told = data[keyField];
  if (typeof told === "string" || typeof told === "number")
    return { kind, key: tokenOfKey(String(told)), data };
  throw new OrderctlError("bad_message", `an event of kind ${kind} has no ${keyField}, which is its key`, {
    source: "message",
  });
}
