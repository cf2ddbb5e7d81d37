import { Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { run } from "../../src/cli.ts";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { event, ways } from "../orders/order-log.ts";
import { type LogWriter, openLogWriter } from "../support/log-writer.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { type Ran, runCommand } from "../support/run-command.ts";
import { showTerminal } from "../support/show-terminal.ts";
import { startServices } from "../support/start-services.ts";
import { startTestBroker, type TestBroker } from "../support/start-test-broker.ts";
import { until } from "../support/until.ts";

let broker: TestBroker;
let connection: Connection;
let log: LogWriter;

const follow = (id: string, ...flags: string[]): Promise<Ran> =>
  runCommand(["trace", id, "--follow", "-s", broker.url, ...flags], { columns: 80 });

const followers = async () => (await connection.jsm.streams.info("ORDERS")).state.consumer_count - 7;

beforeAll(async () => {
  broker = await startTestBroker();
  connection = await openTestConnection(broker.url);
  log = await openLogWriter(connection);
});

afterAll(async () => {
  log.close();
  await connection.close();
  await broker.stop();
});

describe("--follow", () => {
  it("prints each event as it is stored, and ends with the order", async () => {
    await log.store(event("created", "followed"));
    const following = follow("followed");
    await until(async () => (await followers()) === 1);
    const services = await startServices(connection);
    const { exitCode, stdout, stderr } = await following;
    await services.stop(5000);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    const lines = stdout.trim().split("\n");
    const kinds = lines.map((line) => line.split(/ +/)[1]);
    expect(kinds).toEqual(["created", "payments", "reservations", "shipments", "notifications"]);
    expect(lines[1]).toMatch(
      /^\d\d:\d\d:\d\d\.\d{3} {2}payments +[\d.]+ m?s {2}APPROVED {2}by payment\/box-1$/,
    );
  });

  it("ends at once for an order that has ended, one line of JSON for each event", async () => {
    await log.store(...ways.DECLINED("ended"));
    const lines = (await follow("ended", "--json")).lines();
    expect(lines.map(({ kind }) => kind)).toEqual(Array(3).fill("order-event"));
    expect(lines[1]?.data).toMatchObject({ kind: "payments", outcome: "DECLINED", refused: true });
  });

  it("of an order that nobody stored, is not_found", async () => {
    expect((await follow("o-404")).exitCode).toBe(4);
  });

  it("interrupted, exits with 130 and leaves no consumer behind", async () => {
    await log.store(event("created", "stuck"));
    const stop = new AbortController();
    const following = runCommand(["trace", "stuck", "-f", "-s", broker.url], { signal: stop.signal });
    await until(async () => (await followers()) === 1);
    stop.abort();
    expect((await following).exitCode).toBe(130);
    await until(async () => (await followers()) === 0);
  });

  it("on a terminal, draws the picture again in place until the order has ended", async () => {
    await log.store(event("created", "watched"));
    const { stdout, stderr, shown, isCursorShown } = showTerminal({ rows: 40 });
    const streams = { stdin: Readable.from([]), stdout, stderr };
    const env = { LANG: "en_US.UTF-8", NO_COLOR: "1", HOME: "/nonexistent" };
    const argv = ["trace", "watched", "-f", "-s", broker.url];
    const following = run(argv, { env, ...streams, signal: new AbortController().signal });
    await until(() => /^order watched waiting for payment/.test(shown()[0] ?? ""));
    expect(isCursorShown()).toBe(false);
    await log.store(...ways.SHIPPED("watched").slice(1));
    expect(await following).toBe(0);
    await until(isCursorShown);
    expect(shown()[0]).toMatch(/^order watched SHIPPED in /);
    expect(shown().filter((line) => line.startsWith("order watched"))).toHaveLength(1);
  });
});
