import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { readTrace } from "../../src/collector/read-trace.ts";
import { traceDefaults } from "../../src/collector/start-collector.ts";
import { traceTopology } from "../../src/collector/topology.ts";
import type { Connection } from "../../src/jetstream/connection.ts";
import { applyTopology } from "../../src/jetstream/topology.ts";
import { decodeOtlpJson } from "../../src/telemetry/otlp/otlp-json.ts";
import { encodeOtlp } from "../../src/telemetry/otlp/otlp-protobuf.ts";
import { startTestBroker, type TestBroker } from "../broker/start-test-broker.ts";
import { openTestConnection } from "../jetstream/open-test-connection.ts";
import { jsonBody, jsonSpan, traceIdOf } from "./collector-world.ts";

let broker: TestBroker;
let connection: Connection;

beforeAll(async () => {
  broker = await startTestBroker();
  connection = await openTestConnection(broker.url);
});

afterAll(async () => {
  await connection.close();
  await broker.stop();
});

beforeEach(async () => {
  await connection.jsm.streams.delete("TRACES").catch(() => {});
  await applyTopology(connection, traceTopology(traceDefaults));
});

const store = (trace: number, payload: Uint8Array) =>
  connection.nats.jetstream().publish(`TRACES.${traceIdOf(trace)}`, payload);

const spans = (trace: number, ...numbers: number[]) =>
  encodeOtlp(decodeOtlpJson(JSON.parse(jsonBody(numbers.map((number) => jsonSpan(trace, number))))));

const names = async (trace: number) =>
  (await readTrace(connection, traceIdOf(trace))).map(({ name }) => name);

it("puts the spans of a trace's messages in the order of their start, each once", async () => {
  await store(1, spans(1, 4, 2));
  await store(2, spans(2, 7));
  await store(1, spans(1, 3));
  await store(1, spans(1, 4, 1));
  expect(await names(1)).toEqual(["span 1", "span 2", "span 3", "span 4"]);
  expect(await names(2)).toEqual(["span 7"]);
});

it("finds a trace by an id in capitals", async () => {
  await store(0xabc, spans(0xabc, 1));
  expect(await readTrace(connection, traceIdOf(0xabc).toUpperCase())).toHaveLength(1);
});

it("passes over a message that another program stored and that is no trace", async () => {
  await store(1, spans(1, 1));
  await store(1, Buffer.from([0x0a, 0xff]));
  await store(1, spans(1, 2));
  expect(await names(1)).toEqual(["span 1", "span 2"]);
});

it("is empty for a trace that nobody stored, and at once where nobody ever collected", async () => {
  expect(await names(9)).toEqual([]);
  await connection.jsm.streams.delete("TRACES");
  const startedAt = performance.now();
  expect(await names(9)).toEqual([]);
  expect(performance.now() - startedAt).toBeLessThan(1500);
});

it("rejects with denied or timeout, not with an empty trace, where the stream cannot be read", async () => {
  const closed = await openTestConnection(broker.url);
  await closed.close();
  await expect(readTrace(closed, traceIdOf(1))).rejects.toMatchObject({ code: "unavailable" });
});
