import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { OrderctlError } from "../../../src/core/errors.ts";
import { eventKinds, type OrderCreated, type OrderEvent } from "../../../src/orders/events.ts";
import { subjectOf } from "../../../src/orders/subjects.ts";
import { decodeEvent, encodeEvent } from "../../../src/orders/wire/codec.ts";
import { anyEvent } from "../arbitrary-events.ts";

const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"));
const subjectFor = (event: OrderEvent): string => subjectOf(event.kind, event.orderId);

/** The decoded event, or undefined for `bad_message`. Any other error fails the test. */
function tryDecode(subject: string, payload: Uint8Array): OrderEvent | undefined {
  try {
    return decodeEvent(subject, payload);
  } catch (thrown) {
    if (!(thrown instanceof OrderctlError) || thrown.code !== "bad_message") throw thrown;
    expect(thrown.message.startsWith(`${subject}: `)).toBe(true);
    return undefined;
  }
}

const order: OrderCreated = {
  kind: "created",
  orderId: "o-1",
  customerId: "c-1",
  lines: [{ sku: "MUG-3", quantity: 2, unitPriceMinor: 420 }],
  total: { amountMinor: 840, currency: "GBP" },
  createdAtUs: 1_709_281_560_000_000,
};

describe("what was encoded", () => {
  test("comes back as it went, for every valid event", () => {
    fc.assert(
      fc.property(anyEvent, (event) => {
        const payload = encodeEvent(event);
        expect(decodeEvent(subjectFor(event), payload)).toStrictEqual(event);
        expect(decodeEvent(subjectFor(event), Uint8Array.from(payload))).toStrictEqual(event);
      }),
    );
  });

  test("has the bytes that other programs were promised", () => {
    expect(Buffer.from(encodeEvent(order)).toString("hex")).toBe(
      "0a036f2d311203632d3121cdcccccccccc2040" +
        "520347425058c806620c0a054d55472d33100218a4036880ecd181d2d28403",
    );
  });

  test("keeps the largest safe integers exact", () => {
    const total = { amountMinor: Number.MAX_SAFE_INTEGER, currency: "JPY" };
    const lines = [{ sku: "MUG-3", quantity: 1, unitPriceMinor: Number.MAX_SAFE_INTEGER }];
    const largest = { ...order, lines, total, createdAtUs: Number.MAX_SAFE_INTEGER };
    expect(decodeEvent("ORDERS.created.o-1", encodeEvent(largest))).toStrictEqual(largest);
  });
});

describe("an OrderCreated of another program, with fields 1, 2 and 4 only", () => {
  test("is a full order in USD without lines", () => {
    const payload = bytesOf("0a036f2d311203632d31213d0ad7a370fd3340");
    expect(decodeEvent("ORDERS.created.o-1", payload)).toStrictEqual({
      kind: "created",
      orderId: "o-1",
      customerId: "c-1",
      lines: [],
      total: { amountMinor: 1999, currency: "USD" },
      createdAtUs: null,
    });
  });

  test("may leave the customer and a zero total out", () => {
    const event = decodeEvent("ORDERS.created.o-1", bytesOf("0a036f2d31"));
    expect(event).toMatchObject({ customerId: "", total: { amountMinor: 0, currency: "USD" } });
  });

  test("has its total counted in the minor units of its currency", () => {
    const yen = bytesOf("0a036f2d31210000000000c0924052034a5059");
    expect(decodeEvent("ORDERS.created.o-1", yen)).toMatchObject({
      total: { amountMinor: 1200, currency: "JPY" },
    });
  });

  test("is believed about minor units where it states both", () => {
    const payload = Buffer.concat([bytesOf("0a036f2d31213d0ad7a370fd3340"), bytesOf("58d00f")]);
    expect(decodeEvent("ORDERS.created.o-1", payload)).toMatchObject({ total: { amountMinor: 2000 } });
  });
});

describe("a message that is no event", () => {
  const cases = readFileSync("fixtures/broken-events/events.ndjson", "utf8").trim().split("\n");

  test.each(cases.map((line) => JSON.parse(line)))("is refused: $name", ({ subject, hex, reason }) => {
    const decode = () => decodeEvent(subject, bytesOf(hex));
    expect(decode).toThrow(expect.objectContaining({ code: "bad_message" }));
    expect(decode).toThrow(reason);
    expect(decode).toThrow(`${subject}: `);
  });

  test("is decoded or refused wherever it is cut off, never anything else", () => {
    fc.assert(
      fc.property(anyEvent, (event) => {
        const payload = encodeEvent(event);
        for (let length = 0; length < payload.length; length++) {
          tryDecode(subjectFor(event), payload.subarray(0, length));
        }
      }),
      { numRuns: 50 },
    );
  });

  test("is decoded or refused if it is random bytes", () => {
    const kind = fc.constantFrom(...eventKinds);
    fc.assert(
      fc.property(kind, fc.uint8Array({ maxLength: 200 }), (kind, payload) => {
        tryDecode(subjectOf(kind, "o-1"), payload);
      }),
      { numRuns: 2000 },
    );
  });

  test("is decoded or refused if one of its bytes was changed, and then holds no unsafe number", () => {
    fc.assert(
      fc.property(anyEvent, fc.nat(), fc.integer({ min: 1, max: 255 }), (event, at, change) => {
        const payload = Uint8Array.from(encodeEvent(event));
        const index = at % payload.length;
        payload[index] = (payload[index] ?? 0) ^ change;
        const decoded = tryDecode(subjectFor(event), payload);
        if (decoded) expect(decodeEvent(subjectFor(event), encodeEvent(decoded))).toStrictEqual(decoded);
      }),
      { numRuns: 2000 },
    );
  });
});

describe("fields that this version does not know", () => {
  const varint = fc.constantFrom(bytesOf("f83f05"), bytesOf("f83fffffffffffffffff7f"));
  const text = fc.constantFrom(bytesOf("fa3f00"), bytesOf("fa3f03616263"));
  const fixed = fc.constantFrom(bytesOf("f93f0102030405060708"), bytesOf("fd3f01020304"));

  test("are ignored", () => {
    fc.assert(
      fc.property(anyEvent, fc.array(fc.oneof(varint, text, fixed), { maxLength: 4 }), (event, unknown) => {
        const payload = Buffer.concat([...unknown, encodeEvent(event), ...unknown]);
        expect(decodeEvent(subjectFor(event), payload)).toStrictEqual(event);
      }),
    );
  });
});

describe("an event that would be refused when read", () => {
  const invalid: [string, OrderEvent][] = [
    ["an order id with a dot", { ...order, orderId: "o.1" }],
    ["half a character", { ...order, customerId: "\ud800" }],
    ["a fraction of a cent", { ...order, total: { amountMinor: 1.5, currency: "USD" } }],
    ["no number", { ...order, total: { amountMinor: Number.NaN, currency: "USD" } }],
    ["money beyond 2^53", { ...order, total: { amountMinor: 2 ** 53, currency: "USD" } }],
    ["a total that its lines are not worth", { ...order, total: { amountMinor: 1, currency: "GBP" } }],
    ["a currency of two letters", { ...order, total: { amountMinor: 1, currency: "US" } }],
    ["a quantity beyond 32 bits", { ...order, lines: [{ sku: "A", quantity: 2 ** 31, unitPriceMinor: 1 }] }],
    ["a time before 1970", { ...order, createdAtUs: -1 }],
  ];

  test.each(invalid)("is not written: %s", (_, event) => {
    expect(() => encodeEvent(event)).toThrow(expect.objectContaining({ code: "bad_message" }));
  });
});
