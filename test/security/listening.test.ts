import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startTestBroker, type TestBroker } from "../support/start-test-broker.ts";
import { dial } from "./dial.ts";
import { startListening } from "./listening-command.ts";
import { listeningSockets } from "./listening-sockets.ts";

let broker: TestBroker;

beforeAll(async () => {
  broker = await startTestBroker();
});

afterAll(() => broker.stop());

const start = (words: string) => startListening(broker.url, words);

const isLinux = process.platform === "linux";

it.skipIf(!isLinux)("nothing listens but on loopback, unless told otherwise (Linux tells)", async () => {
  const before = (await listeningSockets()).map(({ port }) => port);
  const serving = await start("serve all --http-port 0 --metrics-port 0");
  const collecting = await start("collect --port 0");
  const opened = (await listeningSockets()).filter(({ port }) => !before.includes(port));
  const ports = [serving.url, serving.metricsUrl, collecting.endpoint].map((url) =>
    Number(new URL(url ?? "").port),
  );
  expect(opened.map(({ port }) => port).sort()).toEqual(ports.sort());
  expect(opened.filter(({ address }) => address !== "127.0.0.1" && address !== "::1")).toEqual([]);
  const open = await start("collect --port 0 --host 0.0.0.0");
  const { port } = new URL(open.endpoint ?? "");
  expect(await listeningSockets()).toContainEqual({ address: "0.0.0.0", port: Number(port) });
});

describe("a stranger", () => {
  const post = (url: string, body: string, type = "application/json") =>
    fetch(url, { method: "POST", headers: { "content-type": type }, body }).then(({ status }) => status);

  it("sends no order of more than 1 MiB, no spans of more than 16 MiB", async () => {
    const { url } = await start("serve order --http-port 0");
    const mebibyte = "x".repeat(1024 ** 2);
    expect(await post(`${url}/orders`, `{"order_id":"${mebibyte}"}`)).toBe(413);
    const { endpoint } = await start("collect --port 0");
    expect(await post(`${endpoint}/v1/traces`, `{"resourceSpans":["${mebibyte.repeat(16)}"]}`)).toBe(413);
    expect(await post(`${endpoint}/v1/traces`, '{"resourceSpans":[]}')).toBe(200);
  });

  it("sends no headers without end, to none of the servers", async () => {
    const { url, metricsUrl } = await start("serve order --http-port 0 --metrics-port 0");
    const { endpoint } = await start("collect --port 0");
    for (const each of [url, metricsUrl, endpoint]) {
      const socket = await dial(each ?? "");
      let answer = "";
      socket.on("data", (chunk) => {
        answer += chunk;
      });
      socket.write(`GET /healthz HTTP/1.1\r\nhost: localhost\r\nx-long: ${"y".repeat(20 * 1024)}\r\n\r\n`);
      // It may be reset, which is an error to `once`.
      await new Promise((resolve) => socket.once("close", resolve));
      expect(answer, each).toMatch(/^HTTP\/1\.1 431 /);
    }
  });

  it("does not hold a connection of the metrics port by being slow, and metrics are told meanwhile", async () => {
    const { metricsUrl = "" } = await start("serve order --http-port 0 --metrics-port 0");
    const slow = await Promise.all(Array.from({ length: 50 }, () => dial(metricsUrl)));
    const closed = Promise.all(slow.map((socket) => once(socket, "close")));
    for (const socket of slow) socket.write("GET /metrics HTTP/1.1\r\nhost: localhost\r\n");
    expect((await fetch(`${metricsUrl}/metrics`)).status).toBe(200);
    const startedAt = performance.now();
    await closed;
    expect(performance.now() - startedAt).toBeLessThan(10_000);
  });
});
