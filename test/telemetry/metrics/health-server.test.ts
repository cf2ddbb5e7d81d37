import { once } from "node:events";
import { connect } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import type { Listening } from "../../../src/core/listening.ts";
import { type HealthServerOptions, openHealthServer } from "../../../src/telemetry/metrics/health-server.ts";
import type { Scrape } from "../../../src/telemetry/metrics/metric-readers.ts";

const servers: Listening[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop(0);
});

const scrape: Scrape = async () => ({ contentType: "text/plain; version=0.0.4", text: "up_to_date 1\n" });

async function open(options: Partial<HealthServerOptions> = {}): Promise<Listening> {
  const server = await openHealthServer({ port: 0, scrape, isReady: () => ({ ready: true }), ...options });
  servers.push(server);
  return server;
}

describe("the health server", () => {
  it("listens on loopback alone, on a free port", async () => {
    const { url } = await open();
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:[1-9]\d+$/);
  });

  it("serves the metrics with the type they have", async () => {
    const { url } = await open();
    const answer = await fetch(`${url}/metrics?name[]=x`);
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-type")).toBe("text/plain; version=0.0.4");
    expect(await answer.text()).toBe("up_to_date 1\n");
  });

  it("says that it lives, unless it says that it does not", async () => {
    let alive = true;
    const { url } = await open({ isAlive: () => alive });
    expect(await (await fetch(`${url}/healthz`)).json()).toEqual({ status: "ok" });
    alive = false;
    expect((await fetch(`${url}/healthz`)).status).toBe(503);
  });

  it("says whether it is ready, and if not, why", async () => {
    let reason: string | undefined;
    const { url } = await open({ isReady: () => ({ ready: reason === undefined, reason }) });
    const ready = await fetch(`${url}/readyz`);
    expect([ready.status, await ready.json()]).toEqual([200, { ready: true }]);
    reason = "the broker is away";
    const away = await fetch(`${url}/readyz`);
    expect(away.headers.get("content-type")).toBe("application/json");
    expect([away.status, await away.json()]).toEqual([503, { ready: false, reason: "the broker is away" }]);
  });

  it("answers HEAD without a body", async () => {
    const { url } = await open();
    const answer = await fetch(`${url}/metrics`, { method: "HEAD" });
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-length")).toBe("13");
    expect(await answer.text()).toBe("");
  });

  it.each([
    "/",
    "/metrics/",
    "/constructor",
    "/healthz/../metrics%00",
  ])("names what is there at %s", async (path) => {
    const { url } = await open();
    const answer = await fetch(`${url}${path}`);
    expect(answer.status).toBe(404);
    expect(await answer.text()).toBe("here are /metrics, /healthz, /readyz\n");
  });

  it("has no metrics where nothing is measured", async () => {
    const { url } = await open({ scrape: undefined });
    const answer = await fetch(`${url}/metrics`);
    expect([answer.status, await answer.text()]).toEqual([404, "here are /healthz, /readyz\n"]);
  });

  it("can only be read", async () => {
    const { url } = await open();
    const answer = await fetch(`${url}/metrics`, { method: "POST", body: "x" });
    expect(answer.status).toBe(405);
    expect(answer.headers.get("allow")).toBe("GET, HEAD");
  });

  it("answers 503 with the reason when the metrics cannot be had", async () => {
    const { url } = await open({ scrape: () => Promise.reject(new Error("MetricReader is shutdown")) });
    const answer = await fetch(`${url}/metrics`);
    expect([answer.status, await answer.text()]).toEqual([503, "no metrics: MetricReader is shutdown\n"]);
  });

  it("names the flag where the port is taken", async () => {
    const { url } = await open();
    await expect(open({ port: Number(new URL(url).port) })).rejects.toMatchObject({
      code: "conflict",
      message: expect.stringContaining("EADDRINUSE"),
      hint: expect.stringContaining("--metrics-port"),
    });
  });

  it("names the flags where it may not listen", async () => {
    await expect(open({ host: "192.0.2.1" })).rejects.toMatchObject({
      code: "usage",
      hint: expect.stringContaining("--metrics-host"),
    });
  });

  it("stops at once when nobody is asking, also with a connection kept open", async () => {
    const server = await open();
    const socket = connect(Number(new URL(server.url).port), "127.0.0.1");
    await once(socket, "connect");
    socket.write("GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n");
    await once(socket, "data");
    const ended = once(socket, "close");
    await server.stop(10_000);
    await ended;
    await expect(fetch(`${server.url}/healthz`)).rejects.toThrow();
    servers.pop();
  });

  it("cuts off at the deadline who does not come to an end", async () => {
    let asked = () => {};
    const begun = new Promise<void>((resolve) => {
      asked = resolve;
    });
    const server = await open({
      scrape: () => {
        asked();
        return new Promise(() => {});
      },
    });
    const hanging = fetch(`${server.url}/metrics`).catch((error: Error) => error);
    await begun;
    await server.stop(50);
    servers.pop();
    expect(await hanging).toBeInstanceOf(Error);
  });
});
