import type { EventKind } from "../../src/orders/events.ts";
import { createOrderGenerator, createRandom } from "../../src/orders/generator.ts";
import { subjectOf } from "../../src/orders/subjects.ts";
import { encodeEvent } from "../../src/orders/wire/codec.ts";

/** Each has one consumer: one dead letter for a message. */
const kinds: readonly EventKind[] = ["created", "shipments", "refunds"];

/** The n-th message of a run that nobody can work on: random bytes, and every fourth an event of another order. */
export function poison(seed: number, number: number): { subject: string; payload: Uint8Array } {
  const kind = kinds[number % kinds.length] ?? "created";
  const subject = subjectOf(kind, `poison-${number}`);
  if (number % 4 === 0) return { subject, payload: encodeEvent(createOrderGenerator({ seed }).next()) };
  const random = createRandom(seed * 1000 + number);
  const length = 1 + Math.floor(200 * random.nextFraction());
  return { subject, payload: Uint8Array.from({ length }, () => random.nextInt() & 0xff) };
}
