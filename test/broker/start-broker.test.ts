import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { BrokerBinary } from "../../src/broker/broker-binary.ts";
import { findBroker } from "../../src/broker/find-broker.ts";
import { isBrokerAnswering, isJetStreamAnswering, parseServerAddress } from "../../src/broker/probe.ts";
import { startBroker } from "../../src/broker/start-broker.ts";
import { isAlive } from "../../src/core/process-identity.ts";
import { natsRequest } from "../support/nats-request.ts";
import { startTestBroker } from "../support/start-test-broker.ts";

let binary: BrokerBinary;
let dir: string;

beforeAll(async () => {
  binary = await findBroker({ env: process.env });
  dir = await mkdtemp(join(tmpdir(), "orderctl-start-"));
});

afterAll(() => rm(dir, { recursive: true, force: true }));

describe("startBroker", () => {
  it("listens on loopback with JetStream on, and says which server it is", async () => {
    const broker = await startBroker({ binary, storeDir: join(dir, "plain"), noAuth: true });
    try {
      expect(broker.url).toBe(`nats://127.0.0.1:${broker.port}`);
      expect(await isBrokerAnswering(broker.url)).toMatchObject({
        version: binary.version,
        jetstream: true,
        needsCredentials: false,
      });
      expect(await isJetStreamAnswering(broker.url)).toBe(true);
      expect(isAlive(broker.pid)).toBe(true);
    } finally {
      await broker.stop();
    }
    expect(isAlive(broker.pid)).toBe(false);
    expect(await isBrokerAnswering(broker.url)).toBeUndefined();
    await broker.stop();
  });

  it("starts several at once, each on a port of its own", async () => {
    const storeDirs = ["a", "b", "c"].map((name) => join(dir, name));
    const brokers = await Promise.all(storeDirs.map((storeDir) => startBroker({ binary, storeDir })));
    expect(new Set(brokers.map(({ port }) => port)).size).toBe(3);
    await Promise.all(brokers.map((broker) => broker.stop()));
  });

  it("waits for a server that wants credentials", async () => {
    const extraConfig = 'authorization { user: "clerk", password: "secret" }';
    const broker = await startBroker({ binary, storeDir: join(dir, "secret"), noAuth: true, extraConfig });
    expect(await isBrokerAnswering(broker.url)).toMatchObject({ needsCredentials: true });
    await broker.stop();
  });

  it("reports the server's own words when its port is taken, and leaves no process", async () => {
    const blocker = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => blocker.once("listening", resolve));
    const address = blocker.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    await expect(startBroker({ binary, port, storeDir: join(dir, "taken") })).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("address already in use"),
    });
    blocker.close();
  });

  it("reports a configuration the server refuses", async () => {
    const started = startBroker({ binary, storeDir: join(dir, "bad"), extraConfig: "no_such_key: {" });
    await expect(started).rejects.toMatchObject({
      code: "unavailable",
      message: /nats-server ended at once:\n/,
    });
  });

  // Its end used to be missed where this process had much to do, and waited for without an end.
  it("reports every one of many servers that end at once", async () => {
    const server = join(dir, "short-nats-server");
    await writeFile(server, "#!/bin/sh\nexit 1\n", { mode: 0o755 });
    const short: BrokerBinary = { path: server, version: "2.99.0", source: "env" };
    const starts = Array.from({ length: 40 }, (_, n) =>
      startBroker({ binary: short, storeDir: join(dir, `short-${n}`) }),
    );
    for (const outcome of await Promise.allSettled(starts))
      expect(outcome).toMatchObject({ status: "rejected", reason: { code: "unavailable" } });
  });

  // It used to end this process.
  it("reports a nats-server that cannot be run", async () => {
    const gone: BrokerBinary = { path: join(dir, "no-nats-server"), version: "2.99.0", source: "env" };
    await expect(startBroker({ binary: gone, storeDir: join(dir, "gone") })).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("could not be started"),
    });
  });

  it("gives up at once when aborted while it starts", async () => {
    const server = join(dir, "silent-nats-server");
    await writeFile(server, "#!/bin/sh\nexec sleep 60\n", { mode: 0o755 });
    const silent: BrokerBinary = { path: server, version: "2.99.0", source: "env" };
    const signal = AbortSignal.timeout(100);
    const started = startBroker({ binary: silent, storeDir: join(dir, "silent"), signal });
    await expect(started).rejects.toMatchObject({ code: "interrupted" });
  });
});

describe("a broker that is killed", () => {
  it("finds its data when it is started again on the same port", async () => {
    const broker = await startTestBroker();
    try {
      const config = { name: "KEPT", subjects: ["kept.>"], storage: "file" };
      await natsRequest(broker.url, "$JS.API.STREAM.CREATE.KEPT", JSON.stringify(config));
      expect(await natsRequest(broker.url, "kept.one", "hello")).toMatchObject({ stream: "KEPT", seq: 1 });
      const { pid } = broker;

      await broker.kill();
      expect(isAlive(pid)).toBe(false);
      await broker.restart();

      expect(broker.pid).not.toBe(pid);
      expect(await natsRequest(broker.url, "kept.two", "again")).toMatchObject({ stream: "KEPT", seq: 2 });
    } finally {
      await broker.stop();
    }
  });
});

describe("parseServerAddress", () => {
  it.each([
    ["nats://127.0.0.1:4222", "127.0.0.1", 4222],
    ["broker.example", "broker.example", 4222],
    ["tls://user:pass@broker.example:80,nats://other:1", "broker.example", 80],
    ["nats://[::1]:4333", "::1", 4333],
  ])("reads %s", (server, host, port) => {
    expect(parseServerAddress(server)).toEqual({ host, port });
  });
});
