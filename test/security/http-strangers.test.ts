import { once } from "node:events";
import { type IncomingHttpHeaders, request } from "node:http";
import type { Socket } from "node:net";
import { hostname } from "node:os";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { temporaryFile } from "../orders/gateway/test-simulator.ts";
import { runCommand } from "../support/run-command.ts";
import { startTestBroker, type TestBroker } from "../support/start-test-broker.ts";
import { until } from "../support/until.ts";
import { dial } from "./dial.ts";
import { startListening } from "./listening-command.ts";

let broker: TestBroker;

beforeAll(async () => {
  broker = await startTestBroker();
});

afterAll(() => broker.stop());

const start = (words: string) => startListening(broker.url, words);

/** The URLs of all four servers. */
async function startAll(flags = "", host = "127.0.0.1") {
  const ledger = await temporaryFile("ledger.ndjson");
  const order = `serve order --http-host ${host} --http-port 0 --metrics-host ${host} --metrics-port 0`;
  const { url: api = "", metricsUrl: metrics = "" } = await start(`${order} ${flags}`);
  const { endpoint: collector = "" } = await start(`collect --host ${host} --port 0 ${flags}`);
  const gateway = `serve gateway --gateway-host ${host} --gateway-port 0 --ledger ${ledger} ${flags}`;
  const { url: simulator = "" } = await start(gateway);
  return { api, metrics, collector, simulator };
}

type Sent = { method?: string; headers?: Record<string, string>; body?: string };

async function send(url: string, { body = "", ...options }: Sent) {
  const sent = request(url, { agent: false, ...options }).end(body);
  const [answer] = await once(sent, "response");
  const headers: IncomingHttpHeaders = answer.headers;
  return { status: answer.statusCode as number, headers, text: await text(answer) };
}

const askAs = (url: string, host: string) => send(`${url}/healthz`, { headers: { host } });

describe("a page that lets its own name point here", () => {
  it.each([
    "evil.example",
    "evil.example:8080",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "localhost@evil.example",
    "10.1.2.3",
    "0.0.0.0",
  ])("is answered by none of the servers: Host: %s", async (host) => {
    for (const url of Object.values(await startAll())) {
      const { status, headers, text } = await askAs(url, host);
      expect(status, url).toBe(421);
      expect(headers["content-type"]).toBe("application/problem+json");
      expect(JSON.parse(text)).toMatchObject({
        code: "unknown_host",
        detail: expect.stringContaining("--allow-host"),
      });
    }
  });

  it("does not keep the servers from answering under their own names", async () => {
    for (const url of Object.values(await startAll())) {
      const { port } = new URL(url);
      for (const host of [
        `127.0.0.1:${port}`,
        "127.0.0.2",
        "LocalHost",
        `localhost.:${port}`,
        `[::1]:${port}`,
      ])
        expect((await askAs(url, host)).status, `${url} as ${host}`).toBe(200);
    }
  });

  it("does not get by with two names, or with one in the target", async () => {
    for (const url of Object.values(await startAll())) {
      expect(
        await sendRaw(url, "GET /healthz HTTP/1.1\r\nhost: localhost\r\nhost: evil.example\r\n\r\n"),
      ).toMatch(/^HTTP\/1\.1 400 /);
      expect(
        await sendRaw(url, "GET http://evil.example/healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"),
      ).toMatch(/^HTTP\/1\.1 421 /);
      expect(await sendRaw(url, "GET /healthz HTTP/1.1\r\n\r\n")).toMatch(/^HTTP\/1\.1 400 /);
      expect(await sendRaw(url, "GET /healthz HTTP/1.1\r\nhost:\r\n\r\n")).toMatch(/^HTTP\/1\.1 421 /);
    }
  });

  it("is not helped by names that the operator allows", async () => {
    for (const url of Object.values(await startAll("--allow-host Orders.Example --allow-host proxy"))) {
      expect((await askAs(url, "orders.example:443")).status).toBe(200);
      expect((await askAs(url, "proxy")).status).toBe(200);
      expect((await askAs(url, "evil.example")).status).toBe(421);
      expect((await askAs(url, "a.orders.example")).status).toBe(421);
    }
  });

  it("is refused by a server that is open to the network, which probes reach by address", async () => {
    for (const url of Object.values(await startAll("", "0.0.0.0"))) {
      for (const host of ["10.1.2.3:8080", "[fd00::1]:8080", hostname(), "localhost"])
        expect((await askAs(url, host)).status, `${url} as ${host}`).toBe(200);
      expect((await askAs(url, "evil.example")).status).toBe(421);
    }
  });

  it("may not be allowed by what is no host name", async () => {
    for (const name of ["http://orders.example", "orders.example:8080", "a/b", "*"]) {
      const { exitCode, stderr } = await runCommand(`serve order --allow-host ${name} -s ${broker.url}`);
      expect([exitCode, stderr]).toEqual([2, expect.stringContaining("expected a host name")]);
    }
  });
});

describe("a page of another site", () => {
  const order = (id: string) =>
    JSON.stringify({ order_id: id, currency: "EUR", lines: [{ sku: "A", quantity: 1, unit_price: "1.00" }] });

  it.each([
    ["as a form does", { "content-type": "text/plain" }, 415],
    ["as a form does that names JSON, too", { "content-type": "text/plain; application/json" }, 415],
    ["without a type", {}, 415],
    ["as JSON", { "content-type": "application/json", origin: "http://evil.example" }, 403],
    ["from nowhere", { "content-type": "application/json", origin: "null" }, 403],
  ])("stores no order: sent %s", async (_how, headers, status) => {
    const { url = "" } = await start("serve order --http-port 0");
    const body = order("crossed");
    const answer = await send(`${url}/orders`, { method: "POST", headers, body });
    expect(answer.status).toBe(status);
    expect((await fetch(`${url}/orders/crossed`)).status).toBe(404);
  });

  it("changes nothing at the gateway and stores no spans", async () => {
    const { simulator, collector } = await startAll();
    const headers = { origin: "https://evil.example", "content-type": "application/json" };
    const faults = { method: "PUT", headers, body: '{"outage":true}' };
    expect((await send(`${simulator}/faults`, faults)).status).toBe(403);
    expect(await (await fetch(`${simulator}/faults`)).json()).toMatchObject({ outage: false });
    const spans = { method: "POST", headers, body: '{"resourceSpans":[]}' };
    expect((await send(`${collector}/v1/traces`, spans)).status).toBe(403);
  });

  it("is not taken for a page of this host", async () => {
    const { url = "" } = await start("serve order --http-port 0");
    const headers = { "content-type": "application/json", origin: "http://localhost:3000" };
    const answer = await send(`${url}/orders`, { method: "POST", headers, body: order("own-page") });
    expect(answer.status).toBe(201);
  });
});

describe("2,500 connections that never finish their request", () => {
  it.each([
    ["headers", "POST /orders HTTP/1.1\r\nhost: localhost\r\nx-slow: "],
    [
      "bodies",
      "POST /orders HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{",
    ],
    ["nothing at all", ""],
  ])("shut nobody out, and are not kept: %s", async (_what, sent) => {
    const { url = "", metricsUrl = "" } = await start("serve order --http-port 0 --metrics-port 0");
    const open = new Set<Socket>();
    const hold = async () => {
      const socket = await dial(url);
      open.add(socket);
      socket.once("close", () => open.delete(socket));
      socket.write(sent);
    };
    for (let batch = 0; batch < 25; batch += 1) {
      await Promise.all(Array.from({ length: 100 }, hold));
      expect((await fetch(`${url}/healthz`)).status).toBe(200);
    }
    expect((await fetch(`${metricsUrl}/healthz`)).status).toBe(200);
    const headers = { "content-type": "application/json" };
    const body = JSON.stringify({ currency: "EUR", lines: [{ sku: "A", quantity: 1, unit_price: "1.00" }] });
    expect((await fetch(`${url}/orders`, { method: "POST", headers, body })).status).toBe(201);
    await until(() => open.size <= 1000);
    // A body may take longer than headers.
    if (!sent.endsWith("{")) await until(() => open.size === 0);
  });
});

async function sendRaw(url: string, head: string): Promise<string> {
  const socket = await dial(url);
  let answer = "";
  socket.on("data", (chunk) => {
    answer += chunk;
  });
  socket.write(head);
  await until(() => answer.includes("\r\n"));
  return answer;
}
