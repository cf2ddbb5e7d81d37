import { hostname } from "node:os";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { announceCollector, findCollector } from "../../src/cli/collector-address.ts";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { startTestBroker, type TestBroker } from "../support/start-test-broker.ts";
import { openCollectorWorld } from "./collector-world.ts";

let broker: TestBroker;
let connection: Connection;
let asking: Connection;

beforeAll(async () => {
  broker = await startTestBroker();
  connection = await openTestConnection(broker.url);
  asking = await openTestConnection(broker.url);
});

afterAll(async () => {
  await asking.close();
  await connection.close();
  await broker.stop();
});

async function announce(endpoint: string): Promise<void> {
  const announcement = announceCollector(connection, endpoint);
  onTestFinished(() => announcement.stop());
  await connection.nats.flush();
}

/** What a collector of another host would say to everybody. */
async function say(text: string): Promise<void> {
  const subscription = connection.nats.subscribe("orderctl.collector", {
    callback: (_error, message) => void message.respond(text),
  });
  onTestFinished(() => subscription.unsubscribe());
  await connection.nats.flush();
}

describe("findCollector", () => {
  it("finds none where none runs, at once", async () => {
    const startedAt = performance.now();
    expect(await findCollector(asking)).toBeUndefined();
    expect(performance.now() - startedAt).toBeLessThan(900);
  });

  it("finds a running collector until it is stopped", async () => {
    const world = await openCollectorWorld();
    expect(await findCollector(world.connection)).toBe(world.collector.url);
    await world.collector.stop(1000);
    expect(await findCollector(world.connection)).toBeUndefined();
  });

  it("names a collector on every address by its host, so that others can reach it", async () => {
    const world = await openCollectorWorld({ host: "0.0.0.0" });
    const port = new URL(world.collector.url).port;
    expect(await findCollector(world.connection)).toBe(`http://${hostname()}:${port}`);
  });

  it("takes one on another host that it can reach, and prefers its own host's", async () => {
    await say(JSON.stringify({ endpoint: "http://10.0.0.7:4318", host: "elsewhere" }));
    expect(await findCollector(asking)).toBe("http://10.0.0.7:4318");
    await announce("http://127.0.0.1:4999");
    expect(await findCollector(asking)).toBe("http://127.0.0.1:4999");
  });

  it.each([
    "",
    "{",
    "null",
    "{}",
    '{"endpoint":7}',
    '{"endpoint":"file:///etc/passwd"}',
  ])("takes %j for no answer", async (said) => {
    await say(said);
    expect(await findCollector(asking)).toBeUndefined();
  });
});
