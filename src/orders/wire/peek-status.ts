import protobuf from "protobufjs/minimal.js";
import type { EventKind, PaymentProcessed, StockReserved } from "../events.ts";
import { paymentStatus, reservationStatus } from "./messages.ts";

export type EventStatus = PaymentProcessed["status"] | StockReserved["status"];

const varint = 0;

/** Field number of the status in each message that has one, and the numbers of its values. */
const statusFields: Partial<Record<EventKind, { field: number; values: Readonly<Record<string, number>> }>> =
  {
    payments: { field: 3, values: paymentStatus.toWire },
    reservations: { field: 2, values: reservationStatus.toWire },
  };

/**
 * True if the payload is certainly that of an event with another status than `only`; false if it has that status or the
 * status cannot be read: the caller then has to decode it. Reads nothing but the status. Hot path: ~0.3 µs.
 */
export function hasOtherStatus(kind: EventKind, payload: Uint8Array, only: EventStatus): boolean {
  const known = statusFields[kind];
  const wanted = known?.values[only];
  // A status without a number is none that could be told from the others.
  if (!known || wanted === undefined) return false;
  const status = readVarintField(payload, known.field);
  if (status === undefined || status === wanted) return false;
  return Object.values(known.values).includes(status);
}

/**
 * The last value of a field, which is the one that counts in protobuf; undefined if the field is missing or the bytes
 * are not a message.
 */
function readVarintField(payload: Uint8Array, field: number): number | undefined {
  try {
    const reader = protobuf.Reader.create(payload);
    let value: number | undefined;
    while (reader.pos < reader.len) {
      const tag = reader.uint32();
      if (tag >>> 3 === field && (tag & 7) === varint) value = reader.int32();
      else reader.skipType(tag & 7, undefined, tag >>> 3);
    }
    return value;
  } catch {
    return undefined;
  }
}
