import { OrderctlError } from "../../core/errors.ts";
import type { Addressed, EventPlace, Layout } from "../layout.ts";
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
    const data = readable(subject, `not readable as an event of kind ${place.kind}`, () =>
      payload.decode(bytes),
    );
    return ofItsKey(keyField, subject, { ...place, data });
  };
}

/** The payload, and the event as it will be read. Throws `bad_message` for an event that `decodeEvent` would refuse. */
export function encodeEvent(
  payloads: Payloads,
  keyField: string | undefined,
): (subject: string, event: DataEvent) => { bytes: Uint8Array; event: DataEvent } {
  return (subject, event) => {
    const { kind } = event;
    const payload = payloads[kind];
    if (!payload) throw refusal(subject, `${kind} is no event of the flow`);
    const { bytes, data } = readable(subject, `no event of kind ${kind}`, () => payload.encode(event.data));
    return { bytes, event: ofItsKey(keyField, subject, { ...event, data }) };
  };
}

function ofItsKey(keyField: string | undefined, subject: string, event: DataEvent): DataEvent {
  if (keyField === undefined) return event;
  const told = event.data[keyField];
  if (String(told) === keyOfToken(event.key)) return event;
  const shown = JSON.stringify(typeof told === "string" ? told.slice(0, 64) : told);
  throw refusal(subject, `${keyField} is ${shown ?? "missing"}, not the subject's`);
}

export function readable<T>(subject: string, what: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    throw refusal(subject, `${what}: ${cause instanceof Error ? cause.message : String(cause)}`, cause);
  }
}

/** The error of a message that is no event. */
export const refusal = (subject: string, reason: string, cause?: unknown): OrderctlError =>
  new OrderctlError("bad_message", `${subject}: ${reason}`, { cause, source: "message" });

/** The headers that an event would be stored with, to be asked as those of a message. */
export function headersAs(
  { headersOf }: Pick<Layout, "headersOf">,
  { kind, key }: DataEvent,
): Pick<Addressed, "header"> {
  const headers = headersOf(kind, key) ?? {};
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
