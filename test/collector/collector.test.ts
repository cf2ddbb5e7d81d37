import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { readTrace } from "../../src/collector/read-trace.ts";
import { startCollector } from "../../src/collector/start-collector.ts";
import { traceDefaults, traceTopology } from "../../src/collector/traces-stream.ts";
import { applyTopology } from "../../src/jetstream/streams/apply-topology.ts";
import { encodeOtlp } from "../../src/telemetry/otlp/otlp-protobuf.ts";
import { wire } from "../../src/telemetry/otlp/wire.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { startTestBroker } from "../support/start-test-broker.ts";
import { spansInJson } from "../telemetry/otlp/spans-in.ts";
import {
  checkout,
  checkoutTrace,
  jsonBody,
  jsonSpan,
  openCollectorWorld,
  send,
  traceIdOf,
} from "./collector-world.ts";

const protobuf = { "content-type": "application/x-protobuf" };
const mebibyte = 2 ** 20;

describe("the collector", () => {
  it("answers a request in JSON once its spans can be read back, each with everything it came with", async () => {
    const { post, read, collector } = await openCollectorWorld();
    const answer = await post(checkout);
    expect([answer.status, answer.json()]).toEqual([200, {}]);
    expect(answer.headers.get("content-type")).toMatch(/^application\/json/);
    expect(await read(checkoutTrace)).toEqual(spansInJson(JSON.parse(checkout.toString())));
    expect(collector.counts()).toMatchObject({ spans: 2, messages: 1, rejected: 0, refused: 0 });
  });

  it("answers a request in protobuf in protobuf", async () => {
    const { post, read } = await openCollectorWorld();
    const spans = spansInJson(JSON.parse(checkout.toString()));
    const answer = await post(encodeOtlp(spans), protobuf);
    expect([answer.status, answer.bytes.length]).toEqual([200, 0]);
    expect(answer.headers.get("content-type")).toBe("application/x-protobuf");
    expect(await read(checkoutTrace)).toEqual(spans);
  });

  it("takes gzip", async () => {
    const { post, read } = await openCollectorWorld();
    const gzip = { "content-encoding": "gzip" };
    expect((await post(gzipSync(checkout), gzip)).status).toBe(200);
    expect(await read(checkoutTrace)).toHaveLength(2);
  });

  it("stores under the trace's id in lower case, as OTLP protobuf, in a stream with the limits it was given", async () => {
    const limits = { keepMs: 90_000, maxBytes: 5 * mebibyte };
    const { post, connection } = await openCollectorWorld(limits);
    await post(checkout);
    const found = await connection.jsm.streams.getMessage("TRACES", {
      last_by_subj: `TRACES.${checkoutTrace}`,
    });
    const { resourceSpans } = wire.ExportTraceServiceRequest.decode(found.data);
    expect(resourceSpans?.map(({ resource }) => resource?.attributes?.[0]?.value?.stringValue)).toEqual([
      "checkout",
      "warehouse",
    ]);
    const { config } = await connection.jsm.streams.info("TRACES");
    expect(config).toMatchObject({
      storage: "file",
      retention: "limits",
      discard: "old",
      allow_direct: true,
      max_age: 90_000 * 1e6,
      max_bytes: 5 * mebibyte,
      num_replicas: 1,
    });
  });

  it("says where the stream is not as asked for, and leaves it as it is", async () => {
    const { connection } = await openCollectorWorld();
    const notes: string[] = [];
    const options = {
      host: "127.0.0.1",
      port: 0,
      keepMs: 1000,
      note: (text: string) => void notes.push(text),
    };
    const second = await startCollector(connection, options);
    await second.stop(1000);
    // The broker's default window for duplicates is no longer than a message lives.
    expect(notes).toEqual([
      "stream TRACES has max_age 86400000000000 instead of 1000000000; left as it is",
      "stream TRACES has duplicate_window 120000000000 instead of 1000000000; left as it is",
    ]);
  });

  it("takes the spans beside a bad one, and says which and why in the encoding of the request", async () => {
    const { post, read, collector } = await openCollectorWorld();
    const spans = [jsonSpan(1, 1), jsonSpan(1, 2, { traceId: "abc" }), jsonSpan(1, 3)];
    const reason = "resourceSpans[0].scopeSpans[0].spans[1].traceId: expected 32 hex digits";
    const answer = await post(jsonBody(spans));
    expect([answer.status, answer.json()]).toEqual([
      200,
      { partialSuccess: { rejectedSpans: "1", errorMessage: reason } },
    ]);
    const request = { resourceSpans: [{ scopeSpans: [{ spans: [{ traceId: Buffer.alloc(3) }] }] }] };
    const body = wire.ExportTraceServiceRequest.encode(request).finish();
    const { partialSuccess } = wire.ExportTraceServiceResponse.decode((await post(body, protobuf)).bytes);
    expect(Number(partialSuccess?.rejectedSpans)).toBe(1);
    expect(partialSuccess?.errorMessage).toContain("spans[0].traceId");
    expect((await read(traceIdOf(1))).map(({ name }) => name)).toEqual(["span 1", "span 3"]);
    expect(collector.counts()).toMatchObject({ spans: 2, rejected: 2, refused: 0 });
  });

  it("splits a trace that is larger than a message of the broker, and rejects a span that is", async () => {
    const { post, read, collector } = await openCollectorWorld({}, "max_payload: 16KB");
    const spans = Array.from({ length: 20 }, (_, n) => jsonSpan(1, n + 1, { name: "x".repeat(3000) }));
    const answer = await post(jsonBody([...spans, jsonSpan(1, 99, { name: "x".repeat(20_000) })]));
    expect(answer.json()).toMatchObject({ partialSuccess: { rejectedSpans: "1" } });
    expect(await read(traceIdOf(1))).toHaveLength(20);
    expect(collector.counts().messages).toBeGreaterThan(3);
  });

  // A span that the stream refused used to cost its whole request.
  it("rejects a span that is larger than the stream takes, not those beside it", async () => {
    const broker = await startTestBroker();
    const connection = await openTestConnection(broker.url);
    await applyTopology(connection, traceTopology(traceDefaults));
    await connection.jsm.streams.update("TRACES", { max_msg_size: 5000 });
    const collector = await startCollector(connection, { host: "127.0.0.1", port: 0, note: () => {} });
    const body = jsonBody([jsonSpan(1, 1), jsonSpan(1, 2, { name: "x".repeat(6000) }), jsonSpan(2, 3)]);
    const headers = { "content-type": "application/json" };
    const answer = await send(`${collector.url}/v1/traces`, { method: "POST", body, headers });
    const { spans } = await readTrace(connection, traceIdOf(1));
    await collector.stop(1000);
    await connection.close();
    await broker.stop();
    expect([answer.status, answer.json()]).toMatchObject([200, { partialSuccess: { rejectedSpans: "1" } }]);
    expect(spans.map(({ name }) => name)).toEqual(["span 1"]);
  });

  it("keeps 10,000 spans of 1,000 traces, sent by ten at once, and reads every one back", async () => {
    const { post, read, collector } = await openCollectorWorld();
    const bodies = Array.from({ length: 20 }, (_, batch) =>
      jsonBody(
        Array.from({ length: 500 }, (_, n) => jsonSpan(1 + ((batch * 500 + n) % 1000), 1 + batch * 500 + n)),
      ),
    );
    const sendAll = async () => {
      for (let body = bodies.pop(); body !== undefined; body = bodies.pop())
        expect((await post(body)).status).toBe(200);
    };
    await Promise.all(Array.from({ length: 10 }, sendAll));
    const ids = new Set<string>();
    for (let trace = 1; trace <= 1000; trace++) {
      const spans = await read(traceIdOf(trace));
      expect(spans).toHaveLength(10);
      for (const { spanId } of spans) ids.add(spanId);
    }
    expect(ids.size).toBe(10_000);
    expect(collector.counts()).toMatchObject({ spans: 10_000, refused: 0 });
  });

  it("rejects with conflict where the port is taken, and announces nothing", async () => {
    const { collector, connection } = await openCollectorWorld();
    const port = Number(new URL(collector.url).port);
    const second = startCollector(connection, { host: "127.0.0.1", port, note: () => {} });
    await expect(second).rejects.toMatchObject({
      code: "conflict",
      message: expect.stringContaining(`127.0.0.1:${port}`),
      hint: expect.stringContaining("--port"),
    });
  });

  it("tells whether it lives and whether it can store", async () => {
    const { collector, broker, connection } = await openCollectorWorld();
    const status = async (path: string) => (await send(collector.url + path)).status;
    expect([await status("/healthz"), await status("/readyz")]).toEqual([200, 200]);
    const lost = new Promise<void>((resolve) => {
      void (async () => {
        for await (const { type } of connection.nats.status()) if (type === "disconnect") resolve();
      })();
    });
    await broker.kill();
    await lost;
    expect([await status("/healthz"), await status("/readyz")]).toEqual([200, 503]);
    await broker.restart();
  });
});
