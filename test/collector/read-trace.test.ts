import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { readTrace } from "../../src/collector/read-trace.ts";
import { traceDefaults, traceTopology } from "../../src/collector/traces-stream.ts";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { applyTopology } from "../../src/jetstream/streams/apply-topology.ts";
import { encodeOtlp } from "../../src/telemetry/otlp/otlp-protobuf.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { startTestBroker, type TestBroker } from "../support/start-test-broker.ts";
import { spansInJson } from "../telemetry/otlp/spans-in.ts";
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
  encodeOtlp(spansInJson(JSON.parse(jsonBody(numbers.map((number) => jsonSpan(trace, number))))));

const names = async (trace: number) =>
  (await readTrace(connection, traceIdOf(trace))).spans.map(({ name }) => name);

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
  expect((await readTrace(connection, traceIdOf(0xabc).toUpperCase())).spans).toHaveLength(1);
});

// It used to be passed over without a word.
it("tells of a message that another program stored and that is no trace, and reads the others", async () => {
  await store(1, spans(1, 1));
  await store(1, Buffer.from([0x0a, 0xff]));
  await store(1, spans(1, 2));
  expect(await names(1)).toEqual(["span 1", "span 2"]);
  const { unreadable } = await readTrace(connection, traceIdOf(1));
  expect(unreadable).toEqual({
    spans: 1,
    reasons: [expect.stringMatching(/^sequence \d+ of TRACES: not readable as OTLP protobuf/)],
  });
});

it("tells of a span that cannot be read in a message of several", async () => {
  const made = spansInJson(JSON.parse(jsonBody([jsonSpan(1, 1), jsonSpan(1, 2), jsonSpan(1, 3)])));
  await store(1, encodeOtlp(made.map((one, index) => (index === 1 ? { ...one, startNs: 0n } : one))));
  expect(await names(1)).toEqual(["span 1", "span 3"]);
  expect((await readTrace(connection, traceIdOf(1))).unreadable.spans).toBe(1);
});

it("keeps two spans with one id, as a client and its server may share one", async () => {
  const client = jsonSpan(1, 7, { kind: 3, name: "client" });
  await store(1, encodeOtlp(spansInJson(JSON.parse(jsonBody([client])))));
  await store(
    1,
    encodeOtlp(spansInJson(JSON.parse(jsonBody([client, { ...client, kind: 2, name: "server" }])))),
  );
  expect(await names(1)).toEqual(["client", "server"]);
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
