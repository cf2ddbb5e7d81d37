import { readFileSync } from "node:fs";
import { join } from "node:path";
import { encodeEvent } from "../../src/orders/wire/codec.ts";
import { created } from "../support/handler-context.ts";

/** A message that nobody can work on: where it is stored, and what its dead letter has to say. */
export type Hostile = {
  subject: string;
  payload: Uint8Array;
  headers?: Record<string, string>;
  reason: RegExp;
};

type Fixture = { subject: string; hex: string; reason: string };

const fixtures: Fixture[] = readFileSync(
  join(import.meta.dirname, "../../fixtures/broken-events/events.ndjson"),
  "utf8",
)
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line))
  // What no consumer is given is in nobody's way: the audit names it.
  .filter(({ subject }: Fixture) =>
    /^ORDERS\.(created|payments|reservations|shipments|refunds)\.[^.]+$/.test(subject),
  );

const escaped = (text: string) => new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));

/** The fixture under another order's subject, in which the bytes name that order as well. */
function fromFixture({ subject, hex, reason }: Fixture, orderId: string): Hostile {
  const length = Buffer.from([orderId.length]).toString("hex");
  const own = hex.replace(/^0a036f2d31/, `0a${length}${Buffer.from(orderId).toString("hex")}`);
  return {
    subject: subject.replace("o-1", orderId),
    payload: Buffer.from(own, "hex"),
    reason: escaped(reason),
  };
}

const foreign: Record<string, string> = {
  "X-Foreign": "ü".repeat(200),
  traceparent: "00-zz-zz-zz",
  tracestate: "=,".repeat(100),
  "Orderctl-Hop": "9999999999999 ? -1 NaN",
  "Orderctl-Dead-Letter": '{"reason":"mine"}',
  "Content-Type": "application/json",
};

const text = new TextEncoder();
const under = (orderId: string) => `ORDERS.created.${orderId}`;

const own: ((orderId: string) => Hostile)[] = [
  (orderId) => ({
    subject: under(orderId),
    payload: bytesOf(orderId, 300),
    reason: /not readable|orderId is/,
  }),
  (orderId) => ({
    subject: under(orderId),
    payload: bytesOf(orderId, 20_000),
    reason: /not readable|orderId is/,
  }),
  (orderId) => ({
    subject: under(orderId),
    payload: encodeEvent({ ...created, orderId: "somebody-elses" }),
    reason: /orderId is "somebody-elses"/,
  }),
  (orderId) => ({
    subject: under(`${orderId}$`),
    payload: encodeEvent({ ...created, orderId }),
    reason: /not a subject of the order log/,
  }),
  (orderId) => ({
    subject: under(orderId),
    payload: text.encode("{}"),
    headers: foreign,
    reason: /not readable/,
  }),
];

/** Bytes that differ from order to order and begin with a field that no order has. */
const bytesOf = (orderId: string, length: number): Uint8Array =>
  Buffer.concat([Buffer.from([0x0f]), Buffer.alloc(length, orderId)]);

/** As large as the broker takes: with its reason it is too large to be copied. */
const huge = (orderId: string): Hostile => ({
  subject: under(orderId),
  payload: bytesOf(orderId, 2 ** 20 - 100),
  reason: /not readable/,
});

/** The `index`-th of a series that has every kind in turn, and now and then a huge one. */
export function hostileMessage(index: number): Hostile {
  const kinds = fixtures.length + own.length;
  const orderId = `hostile-${index}`;
  if (index % 500 === 499) return huge(orderId);
  const fixture = fixtures[index % kinds];
  const make = own[(index % kinds) - fixtures.length];
  if (fixture) return fromFixture(fixture, orderId);
  if (!make) throw new Error("every index has its kind");
  return make(orderId);
}

/** Headers of others on a good order, and clocks that are years away: no reason to give it up. */
export const oddHeaders: readonly Record<string, string>[] = [
  {},
  foreign,
  { traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", tracestate: "a=1,".repeat(60) },
  { "Orderctl-Hop": "garbage" },
  { "Orderctl-Hop": "c=;i=x/y;d=1;r=9999999999999999;s=-5;e=-99;o=9999999999999999" },
];

/** Unix µs: never, long ago, in a hundred years, at the end of all that can be counted. */
export const oddTimes: readonly (number | null)[] = [null, 0, 4_900_000_000_000_000, Number.MAX_SAFE_INTEGER];
