import fc from "fast-check";
import {
  type Attributes,
  type AttributeValue,
  type Span,
  spanKinds,
  statusCodes,
} from "../../../src/telemetry/tracing/span.ts";

const hexId = (bytes: number) =>
  fc
    .uint8Array({ minLength: bytes, maxLength: bytes })
    .filter((id) => id.some((byte) => byte > 0))
    .map((id) => Buffer.from(id).toString("hex"));

const timeNs = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const startNs = fc.bigInt({ min: 946_700_000_000_000_000n, max: 1_780_000_000_000_000_000n });
const text = fc.string({ unit: "binary", maxLength: 60 });
const number = fc.oneof(
  fc.maxSafeInteger(),
  fc.double({ noNaN: true, noDefaultInfinity: true }).filter((value) => !Object.is(value, -0)),
);

const { value } = fc.letrec<{ value: AttributeValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    text,
    number,
    fc.boolean(),
    fc.constant(null),
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(text, tie("value"), { maxKeys: 3, noNullPrototype: true }),
  ),
}));

const attributes: fc.Arbitrary<Attributes> = fc.dictionary(text, value, {
  maxKeys: 5,
  noNullPrototype: true,
});

export const anySpan: fc.Arbitrary<Span> = fc.record({
  traceId: hexId(16),
  spanId: hexId(8),
  parentSpanId: fc.option(hexId(8)),
  name: text,
  kind: fc.constantFrom(...spanKinds),
  startNs,
  endNs: fc.oneof(startNs, fc.constant(0n)),
  status: fc.record({ code: fc.constantFrom(...statusCodes), message: text }),
  attributes,
  resource: fc.constantFrom<Attributes>({}, { "service.name": "a" }, { "service.name": "b", n: [1, "x"] }),
  events: fc.array(fc.record({ name: text, timeNs, attributes }), { maxLength: 2 }),
  links: fc.array(fc.record({ traceId: hexId(16), spanId: hexId(8), attributes }), { maxLength: 2 }),
});

/** A batch as a decoder returns it: the spans of one resource follow each other. */
export const anyBatch: fc.Arbitrary<Span[]> = fc.array(anySpan, { maxLength: 6 }).map(byResource);

function byResource(spans: Span[]): Span[] {
  const order = [...new Set(spans.map(({ resource }) => JSON.stringify(resource)))];
  return order.flatMap((key) => spans.filter(({ resource }) => JSON.stringify(resource) === key));
}
