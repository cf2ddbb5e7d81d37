import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { checkout, checkoutTrace, openCollectorWorld } from "./collector-world.ts";

const protobuf = { "content-type": "application/x-protobuf" };

/** A field of protobuf with bytes in it. */
function field(number: number, content: Buffer): Buffer {
  const length: number[] = [];
  for (let rest = content.length; ; rest >>>= 7) {
    if (rest < 0x80) {
      length.push(rest);
      break;
    }
    length.push((rest & 0x7f) | 0x80);
  }
  return Buffer.concat([Buffer.from([number * 8 + 2, ...length]), content]);
}

const repeated = (bytes: number[], times: number): Buffer =>
  Buffer.alloc(bytes.length * times, Buffer.from(bytes));

const spans = (content: Buffer): Buffer => field(1, field(2, content));
const broken = Buffer.from([0x12, 2, 0x0a, 9]);
const emptySpans = repeated([0x12, 0], 7_000_000);

const floods: [string, Buffer, Record<string, string>, number][] = [
  ["14 MB of [", Buffer.alloc(14_000_000, "["), {}, 400],
  ["a nest in a field that nobody reads", Buffer.from(`{"a":${"[".repeat(7e6)}${"]".repeat(7e6)}}`), {}, 400],
  ["5,000,000 empty objects", Buffer.from(`[${"{},".repeat(5e6)}{}]`), {}, 413],
  ["8,000,000 numbers for resources", Buffer.from(`{"resourceSpans":[${"0,".repeat(8e6 - 10)}0]}`), {}, 400],
  [
    "400,000 objects for spans",
    Buffer.from(`{"resourceSpans":[{"scopeSpans":[{"spans":[${"{},".repeat(4e5)}{}]}]}]}`),
    {},
    400,
  ],
  ["7,000,000 empty spans", spans(emptySpans), protobuf, 413],
  ["the same behind one that is cut short", spans(Buffer.concat([broken, emptySpans])), protobuf, 413],
  ["7,000,000 empty attributes", spans(field(2, repeated([0x4a, 0], 7e6))), protobuf, 413],
  [
    "7,000,000 empty values of one",
    spans(field(2, field(9, field(2, field(5, repeated([0x0a, 0], 7e6)))))),
    protobuf,
    413,
  ],
  ["400,000 empty spans", spans(repeated([0x12, 0], 4e5)), protobuf, 400],
  ["groups within groups", repeated([0x0b], 16_000_000), protobuf, 400],
  ["1 GiB of zeros, packed", gzipSync(Buffer.alloc(2 ** 30)), { "content-encoding": "gzip" }, 413],
];

describe("a collector", () => {
  it("answers what blows up at once, in little memory, and serves the others", async () => {
    const { post, read, collector } = await openCollectorWorld();
    for (const [what, body, headers, status] of floods) {
      const before = process.memoryUsage.rss();
      const startedAt = performance.now();
      const answer = await post(new Uint8Array(body), headers);
      expect(answer.status, what).toBe(status);
      expect(performance.now() - startedAt, what).toBeLessThan(5000);
      expect(process.memoryUsage.rss() - before, what).toBeLessThan(400 * 2 ** 20);
    }
    expect((await post(checkout)).status).toBe(200);
    expect(await read(checkoutTrace)).toHaveLength(2);
    expect(collector.counts().refused).toBe(floods.length);
  });
});
