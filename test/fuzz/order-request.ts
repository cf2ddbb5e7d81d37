import fc from "fast-check";
import { isCurrency, minorDigits } from "../../src/orders/money.ts";
import { brokenFor, type ObjectSchema, validFor } from "./from-schema.ts";
import { deepJson, hostileJson, hostileText } from "./hostile-values.ts";

const amount = {
  anyOf: [
    { type: "string", pattern: "^\\d{1,3}(\\.\\d{1,2})?$" },
    { type: "number", minimum: 0, maximum: 999, multipleOf: 0.01 },
  ],
} as const;
const safeInteger = { type: "integer", minimum: 0, maximum: Number.MAX_SAFE_INTEGER } as const;

/** The body of `POST /orders`, as the README has it. */
const orderSchema = {
  type: "object",
  additionalProperties: false,
  properties: {
    order_id: { type: "string", pattern: "^[A-Za-z0-9_-]{1,64}$" },
    customer_id: { type: "string" },
    currency: { type: "string", pattern: "^[A-Z]{3}$" },
    created_at_us: safeInteger,
    total_amount: amount,
    lines: {
      type: "array",
      maxItems: 2000,
      items: {
        type: "object",
        additionalProperties: false,
        required: ["sku", "quantity", "unit_price"],
        properties: {
          sku: { type: "string", minLength: 1, maxLength: 64 },
          quantity: { type: "integer", minimum: 1, maximum: 2 ** 31 - 1 },
          unit_price: amount,
        },
      },
    },
  },
} as const satisfies ObjectSchema;

type Body = Record<string, unknown>;

/** Has it lines, whose worth a total would have to be? */
const hasLines = ({ lines }: Body): boolean => Array.isArray(lines) && lines.length > 0;

/** Orders with lines or a total, each in every form that is allowed. */
export const validOrder = validFor(orderSchema)
  .filter((order) => hasDecimals(order as Body))
  .map((order) => {
    const { total_amount, ...body } = order as Body;
    return hasLines(body) ? body : { ...body, total_amount: total_amount ?? "1.00" };
  });

/** Codes are drawn at random, and some are of currencies in which 0.01 cannot be paid. */
const hasDecimals = ({ currency }: Body): boolean =>
  typeof currency !== "string" || !isCurrency(currency) || minorDigits(currency) >= 2;

/** Nothing else is wrong with them. An empty id is as good as none. */
export const brokenOrder = brokenFor(orderSchema)
  .filter(({ body }) => (body as Body).order_id !== "" && hasDecimals(body as Body))
  .map(({ at, body }) => ({ at, body: { total_amount: "1.00", ...(body as Body) } }))
  .map(({ at, body: { total_amount, ...body } }) => ({
    at,
    body: hasLines(body) && !at.startsWith(".total_amount") ? body : { ...body, total_amount },
  }));

/** What is no order by its outside: JSON of any other kind, numbers that are none, depths, sizes, encodings. */
export const noOrder: fc.Arbitrary<string | Buffer> = fc.oneof(
  hostileJson.map((json) => JSON.stringify(json)),
  hostileText,
  fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  fc.constantFrom(
    "",
    "{",
    '{"total_amount":NaN}',
    '{"total_amount":Infinity}',
    '{"total_amount":-}',
    '{"total_amount":1,}',
    "{'total_amount':1}",
    "\ufeff{}",
    '{"__proto__":{"order_id":"p"}}',
    '{"constructor":{"prototype":{"total_amount":1}},"total_amount":-1}',
    '{"order_id":"a","order_id":"b.c","total_amount":1}',
    deepJson(100_000),
    deepJson(200_000, ['{"lines":', "}"]),
    `{"lines":${deepJson(50_000)}}`,
    `{"total_amount":"${"9".repeat(100_000)}"}`,
    `{"total_amount":1e${"9".repeat(1000)}}`,
    JSON.stringify({ customer_id: "x".repeat(1 << 20), total_amount: 1 }),
    Buffer.from('{"total_amount":1}', "utf16le"),
  ),
);

/** The same, small enough to be sent before anybody can refuse it. */
export const smallNoOrder = noOrder.filter(({ length }) => length < 5000);

/** Headers that no proxy would write. Those of the body's length stay true: who lies about it waits in vain. */
export const hostileHeader: fc.Arbitrary<[string, string]> = fc.oneof(
  fc.tuple(
    fc.constantFrom(
      "traceparent",
      "tracestate",
      "baggage",
      "x-request-id",
      "idempotency-key",
      "__proto__",
      "constructor",
      "host",
    ),
    fc.oneof(
      hostileText.map((text) => text.replace(/[\r\n]/g, " ")),
      fc.constantFrom(
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00F067AA0BA902B7-01",
        "00-00000000000000000000000000000000-0000000000000000-00",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".repeat(9),
        "vendor=1,".repeat(600),
      ),
    ),
  ),
  fc.tuple(
    fc.constant("content-type"),
    fc.constantFrom(
      "",
      "text/plain",
      "application/xml",
      "application/json; charset=utf-7",
      "APPLICATION/JSON",
      "application/json;;;=",
      "application/json, text/html",
      "multipart/form-data; boundary=x",
      "*/*",
      "a".repeat(5000),
    ),
  ),
  fc.constantFrom<[string, string]>(
    ["content-encoding", "gzip"],
    ["accept", "image/png"],
    ["expect", "100-continue"],
    ["expect", "the unexpected"],
    ["content-length", "-1"],
    ["content-length", "1e3"],
    ["transfer-encoding", "gzip"],
    ["upgrade", "websocket"],
    ["x-huge", "x".repeat(20_000)],
    ["bad name", "x"],
  ),
);

/** What may stand where an id is expected. */
export const pathId: fc.Arbitrary<string> = fc.oneof(
  hostileText.filter((text) => !/[\uD800-\uDFFF]/u.test(text)).map(encodeURIComponent),
  fc.constantFrom(
    "%ZZ",
    "%",
    "%00",
    "%2f",
    "%C0%AF",
    "..",
    ".",
    "%2e%2e",
    "a/b",
    "a?b=c",
    "a#b",
    "a;b",
    "x".repeat(20_000),
  ),
  fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/),
);
