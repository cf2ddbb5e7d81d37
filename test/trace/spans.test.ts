import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readTrace } from "../../src/collector/read-trace.ts";
import { OrderctlError } from "../../src/core/errors.ts";
import type { PaymentGateway } from "../../src/orders/gateway/gateway.ts";
import { createRetryingGateway } from "../../src/orders/gateway/retrying-gateway.ts";
import { encodeOtlpJson } from "../../src/telemetry/otlp/otlp-json.ts";
import type { Span } from "../../src/telemetry/tracing/span.ts";
import type { OrderTrace } from "../../src/trace/picture.ts";
import { type Ran, runCommand } from "../support/run-command.ts";
import { startBackend } from "../telemetry/backends/start-backend.ts";
import { spansInJson } from "../telemetry/otlp/spans-in.ts";
import { checkoutOfManySpans } from "./samples.ts";
import { openTraceWorld, shipOrders, type TraceWorld } from "./trace-world.ts";

const traceId = "00000000000000000000000000abcdef";
const unsampledId = "00000000000000000000000000fedcba";
const foreignId = "4bf92f3577b34da6a3ce929d0e0e4736";

let world: TraceWorld;

const trace = (id: string, ...flags: string[]): Promise<Ran> =>
  runCommand(["trace", id, "-s", world.broker.url, ...flags], { columns: 80 });

const traceJson = async (id: string, ...flags: string[]): Promise<OrderTrace> =>
  (await trace(id, "--json", ...flags)).lines()[0]?.data as unknown as OrderTrace;

async function send(spans: readonly Span[]): Promise<void> {
  const headers = { "content-type": "application/json" };
  const body = JSON.stringify(encodeOtlpJson(spans));
  const { status } = await fetch(`${world.collector.url}/v1/traces`, { method: "POST", headers, body });
  expect(status).toBe(200);
}

/** Out of order for the first four calls: a delivery with all of its three calls, and the first call of the next. */
function failingGateway(): PaymentGateway {
  let calls = 0;
  return {
    async charge({ idempotencyKey }) {
      calls += 1;
      if (calls <= 4) throw new OrderctlError("unavailable", "the gateway answered 503");
      return { status: "APPROVED", chargeId: `ch_${idempotencyKey}` };
    },
    refund: async () => ({ refundId: "re" }),
  };
}

beforeAll(async () => {
  world = await openTraceWorld();
  const gateway = createRetryingGateway(failingGateway(), { attempts: 3, backoffMs: 10 });
  await shipOrders(world, { traced: traceId, untraced: unsampledId }, { gateway });
  await send(checkoutOfManySpans(200));
});

afterAll(() => world.stop());

describe("an order whose spans were collected", () => {
  it("shows the calls of the gateway in the delivery they were made in, and why some failed", async () => {
    const { exitCode, stdout, stderr } = await trace("traced");
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect(stdout).toMatch(/\n└ payment ×2 .*╳.* APPROVED\n/);
    expect(stdout).toMatch(/\n {2}├ gateway charge ×5 .*╳.* ✗ 4 of 5: unav/);
    expect(stdout).toContain("payment ×2: done at the 2nd delivery; the last that failed: unavailable");
    expect(stdout).not.toMatch(/ack ORDERS|process ORDERS|publish ORDERS/);
    expect(Math.max(...stdout.split("\n").map(({ length }) => length))).toBeLessThanOrEqual(80);
  });

  it("keeps what the log alone says, and adds rows and spans", async () => {
    const { hops, rows, spans, traceIds, sampled, criticalPath } = await traceJson("traced");
    expect(hops.map(({ kind }) => kind)).toHaveLength(5);
    expect({ traceIds, sampled }).toEqual({ traceIds: [traceId], sampled: true });
    expect(rows.filter(({ is }) => is === "event").map(({ label }) => label)).toHaveLength(5);
    const shown = new Set(rows.flatMap(({ spanIds }) => spanIds));
    expect(spans.filter(({ spanId }) => !shown.has(spanId))).toEqual([]);
    const shares = rows.reduce((sum, { criticalMs }) => sum + criticalMs, 0);
    expect(shares).toBeCloseTo(criticalPath.totalMs, 6);
  });

  it("is found by the id of its trace as well", async () => {
    expect((await trace(traceId.toUpperCase())).stdout).toBe((await trace("traced")).stdout);
  });

  it("--errors, --critical and --min leave the rows that were asked for", async () => {
    const labels = async (...flags: string[]) =>
      (await traceJson("traced", ...flags)).rows.map(({ label }) => label);
    expect(await labels("--errors")).toEqual(["created", "payment", "gateway charge"]);
    expect(await labels("--critical")).toEqual(await labels());
    expect((await trace("traced", "--critical")).stdout).toMatch(/took +share\n/);
    expect(await labels("--min", "1h")).toEqual(await labels("--errors"));
    expect((await labels("--all")).length).toBeGreaterThan((await labels()).length);
  });

  it("--otlp hands out its spans for another tool", async () => {
    const { stdout } = await trace("traced", "--otlp");
    const spans = spansInJson(JSON.parse(stdout));
    expect(new Set(spans.map((each) => each.traceId))).toEqual(new Set([traceId]));
    expect(spans.filter(({ name }) => name === "gateway charge")).toHaveLength(5);
    // Nobody sent a span of the publishing: it is made from what the log knows.
    expect(spans.map(({ name }) => name)).toContain("publish ORDERS.created.{order_id}");
  });
});

describe("an order that was not sampled", () => {
  it("is shown from the log alone, and says so", async () => {
    const { stdout } = await trace("untraced");
    expect(stdout).toMatch(/^order untraced SHIPPED in /);
    expect(stdout).toContain("not sampled for tracing: this is the log alone");
  });

  it("--otlp makes spans of what the log knows", async () => {
    const spans = spansInJson(JSON.parse((await trace("untraced", "--otlp")).stdout));
    expect(spans).toHaveLength(9);
    expect(new Set(spans.map((each) => each.traceId))).toEqual(new Set([unsampledId]));
  });
});

describe("a trace of another program", () => {
  it("is shown as a tree of its spans", async () => {
    const { exitCode, stdout } = await trace(foreignId);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^trace 4bf92f3577b34da6a3ce929d0e0e4736 470 ms, 200 spans/);
    expect(stdout.split("\n").length).toBeLessThan(30);
    const [line] = (await trace(foreignId, "--json")).lines();
    expect(line).toMatchObject({ kind: "trace", data: { traceId: foreignId, services: expect.any(Array) } });
  });

  it("that nobody knows is not_found, and says where it was looked for", async () => {
    const { exitCode, stderr } = await trace("9".repeat(32));
    expect(exitCode).toBe(4);
    expect(stderr).toContain(
      `stream ORDERS at ${world.broker.url} holds no event of order ${"9".repeat(32)}`,
    );
    expect(stderr).toContain("TRACES no span of trace");
  });
});

it("--from takes the spans from a tracing backend, and the rest from the log", async () => {
  const { spans: received } = await readTrace(world.connection, traceId);
  const { url, requests, close } = await startBackend((_url, response) =>
    response
      .writeHead(200, { "content-type": "application/json" })
      .end(JSON.stringify({ trace: encodeOtlpJson(received) })),
  );
  const { stdout } = await trace("traced", "--from", "tempo", "--endpoint", url);
  close();
  expect(requests.join()).toContain(traceId);
  expect(stdout).toBe((await trace("traced")).stdout);
});
