import { OrderctlError } from "../../core/errors.ts";
import type { EventKind, OrderEvent } from "../events.ts";
import { parseSubject, subjectOf } from "../subjects.ts";
import { findEventFault, findFieldFault } from "./event-fault.ts";
import { decoders, encoders } from "./messages.ts";

/**
 * The payload of the message for `event`. Throws `bad_message` for an event that `decodeEvent` would refuse. Per
 * message: < 3 µs.
 */
export function encodeEvent(event: OrderEvent): Uint8Array {
  const fault = findEventFault(event);
  if (fault !== undefined) throw refusal(subjectOf(event.kind, event.orderId), fault);
  const encode = encoders[event.kind] as (event: OrderEvent) => Uint8Array;
  return encode(event);
}

/**
 * The event in a message stored under `subject`, which names its kind and order; unknown fields are ignored. Throws
 * `bad_message`, and nothing else, for anything that is not a valid event of that order. Per message: < 3 µs.
 */
export function decodeEvent(subject: string, payload: Uint8Array): OrderEvent {
  const named = parseSubject(subject);
  if (named === undefined) throw refusal(subject, "not a subject of the order log");
  const event = readEvent(named.kind, { subject, payload });
  if (event.orderId !== named.orderId) {
    throw refusal(subject, `orderId is ${JSON.stringify(event.orderId.slice(0, 64))}, not the subject's`);
  }
  const fault = findFieldFault(event);
  if (fault !== undefined) throw refusal(subject, fault);
  return event;
}

function readEvent(
  kind: EventKind,
  { subject, payload }: { subject: string; payload: Uint8Array },
): OrderEvent {
  try {
    return decoders[kind](payload);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw refusal(subject, `not readable as an event of kind ${kind}: ${reason}`, cause);
  }
}

const refusal = (subject: string, reason: string, cause?: unknown): OrderctlError =>
  new OrderctlError("bad_message", `${subject}: ${reason}`, { cause, source: "message" });
