import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeOtlp } from "../../src/telemetry/otlp/otlp-protobuf.ts";
import { checkout } from "../collector/collector-world.ts";
import { size } from "../support/size.ts";
import { startTestBroker, type TestBroker } from "../support/start-test-broker.ts";
import { type Launched, launch } from "../support/supervised.ts";
import { until } from "../support/until.ts";
import { anyBatch } from "../telemetry/otlp/arbitrary-spans.ts";
import { hostileJson } from "./hostile-values.ts";
import { hostileHeader, smallNoOrder } from "./order-request.ts";
import { exchange, type RawAnswer, type RawRequest } from "./raw-http.ts";

const numRuns = size({ short: 150, long: 4000 });
const json = ["content-type", "application/json"] as const;
const protobuf = ["content-type", "application/x-protobuf"] as const;

let broker: TestBroker;
let collecting: Launched;
let url: string;

beforeAll(async () => {
  broker = await startTestBroker();
  collecting = launch(`collect --port 0 --json --server ${broker.url}`);
  await until(() => collecting.stdout().includes("\n"), 30_000);
  url = JSON.parse(collecting.stdout()).data.endpoint;
});

afterAll(async () => {
  await collecting.stop("SIGKILL");
  await broker.stop();
});

const send = (request: Omit<RawRequest, "path"> & { path?: string }) =>
  exchange(url, { path: "/v1/traces", ...request });

/** Taken, or refused in JSON with a reason and without anything of the program's inside. */
function expectAnswer({ status, body }: RawAnswer): void {
  expect([200, 400, 404, 405, 413, 414, 415, 417, 421, 431], body).toContain(status);
  expect(body).not.toMatch(/\bat .+:\d+:\d+|node_modules|\.ts\b|\.js\b/);
  // Node refuses expectations by itself, without a word.
  if (status !== 200 && status !== 417)
    expect(JSON.parse(body)).toMatchObject({ message: expect.any(String) });
}

const fields = [
  "traceId",
  "spanId",
  "parentSpanId",
  "name",
  "kind",
  "startTimeUnixNano",
  "endTimeUnixNano",
  "attributes",
  "events",
  "links",
  "status",
  "flags",
  "__proto__",
];

/** A span with one field that may be anything. */
const hostileExport = fc.tuple(fc.constantFrom(...fields), hostileJson).map(([field, value]) => {
  const span = { traceId: "4bf92f3577b34da6a3ce929d0e0e4736", spanId: "00f067aa0ba902b7", name: "s" };
  const spans = [Object.fromEntries([...Object.entries(span), [field, value]])];
  return JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans }] }] });
});

describe("collect", () => {
  it("takes or refuses every span in JSON, whatever one of its fields is", async () => {
    const property = fc.asyncProperty(hostileExport, fc.boolean(), async (text, gzip) => {
      const headers = gzip ? [json, ["content-encoding", "gzip"] as const] : [json];
      expectAnswer(await send({ headers, body: gzip ? gzipSync(text) : text }));
    });
    await fc.assert(property, { numRuns });
  });

  it("takes or refuses whatever comes as protobuf, and answers in it", async () => {
    const damaged = fc.tuple(anyBatch, fc.nat(), fc.nat(255)).map(([spans, at, value]) => {
      const bytes = encodeOtlp(spans);
      bytes[at % bytes.length] = value;
      return bytes;
    });
    const bytes = fc.oneof(fc.uint8Array({ maxLength: 300 }), damaged);
    const property = fc.asyncProperty(bytes, async (body) => {
      const { status, headers, body: answer } = await send({ headers: [protobuf], body: Buffer.from(body) });
      expect([200, 400], answer).toContain(status);
      expect(headers.get("content-type")).toBe("application/x-protobuf");
    });
    await fc.assert(property, { numRuns });
  });

  it("answers whatever else comes, still takes spans, and is the same process still", async () => {
    const request = fc.record({
      path: fc.constantFrom("/v1/traces", "/v1/metrics", "/v1/logs", "/", "/v1/traces/x", "/readyz/%ZZ"),
      method: fc.constantFrom("GET", "POST", "PUT", "DELETE", "PATCH"),
      headers: fc.array(hostileHeader, { maxLength: 3 }),
      body: smallNoOrder,
    });
    const property = fc.asyncProperty(request, async ({ headers, ...rest }) => {
      expectAnswer(await send({ ...rest, headers: [...headers, json] }));
    });
    await fc.assert(property, { numRuns: numRuns * 2 });
    expect(await send({ headers: [json], body: checkout })).toMatchObject({ status: 200 });
    expect(collecting.isAlive()).toBe(true);
    // That spans are rejected is told, once a second at most.
    const told = collecting.stderr().replace(/.*"msg":"spans are rejected: .*\n/g, "");
    expect(told).not.toMatch(/\n\s+at .+:\d+|"level":"(warn|error)"/);
    expect(await collecting.stop()).toMatchObject({ exitCode: 0 });
  });
});
