import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readTrace } from "../../src/collector/read-trace.ts";
import { type Collector, startCollector } from "../../src/collector/start-collector.ts";
import { OrderctlError } from "../../src/core/errors.ts";
import { flowTopology } from "../../src/flow/flow-topology.ts";
import { readKey } from "../../src/flow/key-log.ts";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { Publisher } from "../../src/jetstream/publish/publisher.ts";
import { applyTopology } from "../../src/jetstream/streams/apply-topology.ts";
import { orderShape } from "../../src/orders/flow.ts";
import type { PaymentGateway } from "../../src/orders/gateway/gateway.ts";
import { createRetryingGateway } from "../../src/orders/gateway/retrying-gateway.ts";
import { subjectOf } from "../../src/orders/subjects.ts";
import { encodeEvent } from "../../src/orders/wire/codec.ts";
import { encodeOtlpJson } from "../../src/telemetry/otlp/otlp-json.ts";
import { startTelemetry } from "../../src/telemetry/telemetry.ts";
import type { Span } from "../../src/telemetry/tracing/span.ts";
import type { OrderTrace } from "../../src/trace/picture.ts";
import { event } from "../orders/order-log.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { orderLog } from "../support/order-log.ts";
import { type Ran, runCommand } from "../support/run-command.ts";
import { startServices } from "../support/start-services.ts";
import { startTestBroker, type TestBroker } from "../support/start-test-broker.ts";
import { until } from "../support/until.ts";
import { startBackend } from "../telemetry/backends/start-backend.ts";
import { spansInJson } from "../telemetry/otlp/spans-in.ts";
import { checkoutOfManySpans } from "./samples.ts";

const traceId = "00000000000000000000000000abcdef";
const unsampledId = "00000000000000000000000000fedcba";
const foreignId = "4bf92f3577b34da6a3ce929d0e0e4736";

let broker: TestBroker;
let connection: Connection;
let collector: Collector;

const trace = (id: string, ...flags: string[]): Promise<Ran> =>
  runCommand(["trace", id, "-s", broker.url, ...flags], { columns: 80 });

const traceJson = async (id: string, ...flags: string[]): Promise<OrderTrace> =>
  (await trace(id, "--json", ...flags)).lines()[0]?.data as unknown as OrderTrace;

async function create(id: string, traceparent: string): Promise<void> {
  const publisher = new Publisher(connection);
  const payload = encodeEvent(event("created", id));
  await publisher.publish({ subject: subjectOf("created", id), payload, headers: { traceparent } });
  publisher.close();
}

async function send(spans: readonly Span[]): Promise<void> {
  const headers = { "content-type": "application/json" };
  const body = JSON.stringify(encodeOtlpJson(spans));
  expect((await fetch(`${collector.url}/v1/traces`, { method: "POST", headers, body })).status).toBe(200);
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

/** Real services whose spans go to a real collector. */
beforeAll(async () => {
  broker = await startTestBroker();
  connection = await openTestConnection(broker.url);
  await applyTopology(connection, flowTopology(orderShape));
  collector = await startCollector(connection, { host: "127.0.0.1", port: 0, note: () => {} });
  const telemetry = await startTelemetry({
    ...{ env: {}, service: "orderctl", instance: "box-1", version: "0.0.0", note: () => {} },
    ...{ collector: collector.url, tracesPerSecond: 100, prometheus: false },
  });
  const gateway = createRetryingGateway(failingGateway(), { attempts: 3, backoffMs: 10 });
  const services = await startServices(connection, undefined, { gateway, telemetry });
  const hasEnded = async (id: string) => (await readKey(orderLog(connection), id)).events.length === 5;
  await create("traced", `00-${traceId}-00000000000000aa-01`);
  await until(() => hasEnded("traced"), 20_000);
  await create("untraced", `00-${unsampledId}-00000000000000aa-00`);
  await until(() => hasEnded("untraced"));
  await services.stop(5000);
  await telemetry.stop(5000);
  await until(async () => (await readTrace(connection, traceId)).spans.length > 0);
  await send(checkoutOfManySpans(200));
});

afterAll(async () => {
  await collector.stop(1000);
  await connection.close();
  await broker.stop();
});

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
    expect(stderr).toContain(`stream ORDERS at ${broker.url} holds no event of order ${"9".repeat(32)}`);
    expect(stderr).toContain("TRACES no span of trace");
  });
});

it("--from takes the spans from a tracing backend, and the rest from the log", async () => {
  const { spans: received } = await readTrace(connection, traceId);
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
