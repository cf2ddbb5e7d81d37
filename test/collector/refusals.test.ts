import { Agent, request } from "node:http";
import { connect } from "node:net";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { wire } from "../../src/telemetry/otlp/wire.ts";
import { until } from "../support/until.ts";
import {
  type Body,
  checkout,
  checkoutTrace,
  jsonBody,
  jsonSpan,
  openCollectorWorld,
  send,
} from "./collector-world.ts";

const protobuf = { "content-type": "application/x-protobuf" };
const gzip = { "content-encoding": "gzip" };
const mebibyte = 2 ** 20;
const zipped = gzipSync(checkout);
const bomb = gzipSync(Buffer.alloc(400 * mebibyte));

type Sent = { body: Body; headers?: Record<string, string> };
type Refused = [status: number, message: RegExp];

describe("the collector", () => {
  it.each<[string, Sent, Refused]>([
    ["a body that is no JSON", { body: "{" }, [400, /not readable as JSON/]],
    ["nothing", { body: "" }, [400, /not readable as JSON/]],
    ["JSON that is no export", { body: '{"resourceSpans":7}' }, [400, /^resourceSpans: expected an array$/]],
    ["a body that is no gzip", { body: checkout, headers: gzip }, [400, /not readable as gzip/]],
    ["gzip that is cut off", { body: zipped.subarray(0, 300), headers: gzip }, [400, /gzip: unexpected end/]],
    ["another coding", { body: checkout, headers: { "content-encoding": "br" } }, [415, /gzip or identity/]],
    [
      "another type",
      { body: checkout, headers: { "content-type": "text/plain" } },
      [415, /application\/json or/],
    ],
    ["more than 16 MiB", { body: Buffer.alloc(16 * mebibyte + 1) }, [413, /at most 16777216 bytes/]],
    ["a gzip bomb", { body: bomb, headers: gzip }, [413, /at most 16777216 bytes/]],
  ])("refuses %s, says why and goes on", async (_what, { body, headers }, [status, message]) => {
    const { post, read, collector } = await openCollectorWorld();
    const answer = await post(body, headers);
    expect(answer.status).toBe(status);
    expect(answer.json()).toEqual({ code: expect.any(Number), message: expect.stringMatching(message) });
    expect((await post(checkout)).status).toBe(200);
    expect(await read(checkoutTrace)).toHaveLength(2);
    expect(collector.counts()).toMatchObject({ refused: 1 });
  });

  it("answers on a connection that is still sending what it refused", async () => {
    const { collector } = await openCollectorWorld();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const post = (body: Buffer) =>
      new Promise<number | undefined>((resolve, reject) => {
        const headers = { "content-type": "application/json" };
        const sending = request(
          `${collector.url}/v1/traces`,
          { method: "POST", agent, headers },
          (answer) => {
            answer.resume().on("end", () => resolve(answer.statusCode));
          },
        );
        sending.on("error", reject).end(body);
      });
    expect(await Promise.all([post(Buffer.alloc(64 * mebibyte)), post(checkout)])).toEqual([413, 200]);
    agent.destroy();
  });

  it("refuses in protobuf who sends protobuf", async () => {
    const { post } = await openCollectorWorld();
    const answer = await post(Buffer.from([0x0a, 0xff]), protobuf);
    expect([answer.status, answer.headers.get("content-type")]).toEqual([400, "application/x-protobuf"]);
    expect(wire.RpcStatus.decode(answer.bytes)).toMatchObject({
      code: 3,
      message: expect.stringContaining("not readable as OTLP protobuf"),
    });
  });

  it("says what it takes instead of other signals, methods and paths", async () => {
    const { collector } = await openCollectorWorld();
    const body = { method: "POST", body: "{}", headers: { "content-type": "application/json" } };
    const metrics = await send(`${collector.url}/v1/metrics`, body);
    expect([metrics.status, metrics.json()]).toMatchObject([
      404,
      { message: expect.stringContaining("OTEL_METRICS_EXPORTER=none") },
    ]);
    expect((await send(`${collector.url}/v1/logs`, body)).status).toBe(404);
    expect((await send(`${collector.url}/nowhere`, body)).status).toBe(404);
    const get = await send(`${collector.url}/v1/traces`);
    expect([get.status, get.headers.get("allow")]).toEqual([405, "POST"]);
  });

  it("sends senders away while too many bytes wait to be stored, and takes them when there is room", async () => {
    const { post, collector } = await openCollectorWorld({ maxWaitingBytes: 100_000 });
    const large = jsonBody([jsonSpan(1, 1, { name: "x".repeat(60_000) })]);
    const { hostname, port } = new URL(collector.url);
    const head = `POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${large.length}\r\n\r\n`;
    const slow = connect(Number(port), hostname);
    slow.write(head + large.slice(0, -10));
    await until(async () => (await post(large)).status === 503);
    const away = await post(large);
    expect([away.headers.get("retry-after"), away.json()]).toMatchObject([
      "1",
      { message: "too many spans are waiting to be stored" },
    ]);
    // Who goes away leaves the room to others.
    slow.destroy();
    await until(async () => (await post(large)).status === 200);
  });

  it("tells senders to come again where the stream is gone, and says so to the operator", async () => {
    const { post, connection, notes } = await openCollectorWorld();
    await connection.jsm.streams.delete("TRACES");
    const answer = await post(checkout);
    expect([answer.status, answer.headers.get("retry-after")]).toEqual([503, "1"]);
    expect(notes).toEqual([expect.stringMatching(/^spans are refused: cannot store TRACES\.4bf9/)]);
  });
});
