import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import type { Connection } from "../../../src/jetstream/client/connection.ts";
import { openTestConnection } from "../../support/open-test-connection.ts";
import { startTestBroker, type TestBroker } from "../../support/start-test-broker.ts";
import { until } from "../../support/until.ts";

const extraConfig = 'authorization { user: "clerk", password: "secret" }';

let broker: TestBroker;

beforeAll(async () => {
  broker = await startTestBroker({ extraConfig });
});

afterAll(() => broker.stop());

const open = (note?: (text: string) => void): Promise<Connection> =>
  openTestConnection(broker.url, { user: "clerk", password: "secret" }, note);

describe("openConnection", () => {
  it("fails within its patience where nobody listens, names the server and says what to run", async () => {
    const startedAt = performance.now();
    await expect(openTestConnection("nats://127.0.0.1:1")).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("127.0.0.1:1"),
      hint: { name: "start_broker" },
    });
    expect(performance.now() - startedAt).toBeLessThan(2000);
  });

  it("waits for a broker that comes within its patience", async () => {
    const late = await startTestBroker();
    await late.kill();
    const opening = openTestConnection(late.url, { patienceMs: 10_000 });
    await late.restart();
    const connection = await opening;
    expect(connection.isConnected()).toBe(true);
    await connection.close();
    await late.stop();
  });

  // A service that was started while its broker was killed used to wait for 30 s and then to end.
  it("tries again soon where the broker is gone between its greeting and its answer", async () => {
    let greeted = 0;
    const dying = createServer((socket) => {
      greeted += 1;
      const real = connect(broker.port, "127.0.0.1");
      for (const each of [socket, real]) each.on("error", () => {});
      real.pipe(socket);
      if (greeted > 1) return void socket.pipe(real);
      real.once("data", () => setImmediate(() => socket.end().destroy()));
    }).listen(0, "127.0.0.1");
    await once(dying, "listening");
    onTestFinished(() => void dying.close());
    const { port } = dying.address() as AddressInfo;
    const startedAt = performance.now();
    const patient = { connectTimeoutMs: 30_000, patienceMs: 30_000 };
    const login = { user: "clerk", password: "secret" };
    const connection = await openTestConnection(`nats://127.0.0.1:${port}`, { ...login, ...patient });
    expect(performance.now() - startedAt).toBeLessThan(20_000);
    expect(connection.isConnected()).toBe(true);
    await connection.close();
  });

  // A service that was started just then used to end.
  it("tries again where the broker goes away before the first question is answered", async () => {
    let connections = 0;
    const gone = createServer((client) => {
      connections += 1;
      const isFirst = connections === 1;
      const upstream = connect({ port: Number(new URL(broker.url).port), host: "127.0.0.1" });
      let pings = 0;
      client.on("data", (bytes) => {
        pings += bytes.toString("latin1").split("PING\r\n").length - 1;
        if (isFirst && pings >= 2) client.destroy();
        else upstream.write(bytes);
      });
      upstream.on("data", (bytes) => client.write(bytes));
      for (const [one, other] of [
        [client, upstream],
        [upstream, client],
      ] as const)
        one.on("error", () => {}).on("close", () => other.destroy());
    });
    gone.listen(0, "127.0.0.1");
    await once(gone, "listening");
    onTestFinished(() => void gone.close());
    const { port } = gone.address() as AddressInfo;
    const notes: string[] = [];
    const connection = await openTestConnection(
      `nats://127.0.0.1:${port}`,
      { user: "clerk", password: "secret", patienceMs: 10_000 },
      (text) => void notes.push(text),
    );
    expect(connections).toBeGreaterThan(1);
    expect(notes[0]).toContain("yet; trying for 10 s");
    await connection.close();
  });

  it("says denied at once for a wrong password, however patient, and keeps the password to itself", async () => {
    const url = broker.url.replace("//", "//clerk:hunter2@");
    const failure = await openTestConnection(url, { patienceMs: 60_000 }).catch((thrown) => thrown);
    expect(failure).toMatchObject({ code: "denied", hint: { name: "check_credentials" } });
    expect(failure.message).not.toContain("hunter2");
  });

  it("names a credentials file that cannot be read", async () => {
    const opening = openTestConnection(broker.url, { credsFile: "/nonexistent/clerk.creds" });
    await expect(opening).rejects.toMatchObject({
      code: "usage",
      message: expect.stringContaining("/nonexistent/clerk.creds"),
    });
  });
});

describe("an open connection", () => {
  it("knows its server and version", async () => {
    const connection = await open();
    expect(connection).toMatchObject({ version: broker.version, server: broker.url });
    await connection.close();
    expect(await connection.closed).toBeUndefined();
  });

  it("comes back after a restart, notes both ends of the outage and tells who asked, in their order", async () => {
    const notes: string[] = [];
    const connection = await open((text) => notes.push(text));
    const told: string[] = [];
    connection.onReconnect(() => told.push("first"));
    connection.onReconnect(() => told.push("second"));
    await broker.kill();
    await until(() => !connection.isConnected());
    await broker.restart();
    await until(() => told.length === 2);
    expect(connection.isConnected()).toBe(true);
    expect(told).toEqual(["first", "second"]);
    expect(notes).toEqual([
      expect.stringMatching(/^lost the broker at 127\.0\.0\.1:\d+; trying again every 50 ms$/),
      expect.stringMatching(/^back at the broker 127\.0\.0\.1:\d+ after \d+\.\d s$/),
    ]);
    await connection.close();
  });

  it("closes while the broker is away", async () => {
    const connection = await open();
    await broker.kill();
    await until(() => !connection.isConnected());
    await connection.close();
    await connection.closed;
    await broker.restart();
  });
});
