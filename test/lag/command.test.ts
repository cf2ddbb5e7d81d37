import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { flowTopology } from "../../src/flow/flow-topology.ts";
import { announceProcess } from "../../src/flow/process-status.ts";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { applyTopology } from "../../src/jetstream/streams/apply-topology.ts";
import type { LogLag } from "../../src/lag/log-lag.ts";
import { orderShape } from "../../src/orders/flow.ts";
import { archiveState, archiving } from "../support/archive-state.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { runCommand } from "../support/run-command.ts";
import { startCommand } from "../support/start-command.ts";
import { startTestBroker, type TestBroker } from "../support/start-test-broker.ts";
import { until } from "../support/until.ts";

let broker: TestBroker;
let connection: Connection;

beforeAll(async () => {
  broker = await startTestBroker();
  connection = await openTestConnection(broker.url);
  await applyTopology(connection, flowTopology(orderShape));
  await connection.jsm.streams.add({ name: "OTHER", subjects: ["OTHER"] });
});

afterAll(async () => {
  await connection.close();
  await broker.stop();
});

const lag = (words = "") => runCommand(`lag ${words} --interval 20ms --server ${broker.url}`.split(/ +/));

describe("lag", () => {
  it("says first that everybody is up to date, then one row for each consumer", async () => {
    const ran = await lag();
    expect(ran.exitCode).toBe(0);
    const [answer, , head, ...rows] = ran.stdout.trimEnd().split("\n");
    expect(answer).toBe("ORDERS: all 7 consumers are up to date");
    expect(head).toMatch(/^consumer +pending +unack/);
    expect(rows.map((row) => row.split(" ")[0])).toEqual([
      "inventory-reserver",
      "notification-declined",
      "notification-refunded",
      "notification-shipped",
      "payment-processor",
      "payment-refunder",
      "shipping-booker",
    ]);
  });

  it("says who is behind and that nobody works there, and exits 1 above the limit only", async () => {
    await runCommand(`publish order --count 12 --server ${broker.url}`);
    const ran = await lag("--fail-above 11");
    expect(ran.exitCode).toBe(1);
    expect(ran.stdout).toMatch(/^ORDERS: 12 deliveries to go; nobody is working on payment-processor\n/);
    expect(ran.stdout).toMatch(/^payment-processor +12 +0 +0 +0 .*never$/m);
    expect((await lag("--fail-above 12")).exitCode).toBe(0);
  });

  it("tells the same as JSON, unknown values as null", async () => {
    const [line] = (await lag("--json")).lines();
    expect(line).toMatchObject({ kind: "consumer-lag", version: 1 });
    const { consumers, ...rest } = line?.data as LogLag;
    expect(rest).toEqual({
      stream: "ORDERS",
      sampledAt: expect.stringMatching(/^\d{4}-.*Z$/),
      intervalMs: 20,
      clock: { aheadMs: expect.any(Number), errorMs: expect.any(Number) },
      archive: {
        sampledAt: rest.sampledAt,
        archiver: null,
        problems: [],
        cost: {
          events: 12,
          bytes: expect.any(Number),
          ramBytes: 12 * 520,
          ramBytesPerS: null,
          full: null,
        },
      },
    });
    expect(consumers.find(({ consumer }) => consumer === "payment-processor")).toEqual({
      consumer: "payment-processor",
      durable: true,
      mode: "pull",
      bound: null,
      pending: 12,
      ackPending: 0,
      redelivered: 0,
      waiting: 0,
      oldestAgeMs: expect.any(Number),
      inPerS: 0,
      outPerS: 0,
      drainS: null,
      pausedUntil: null,
      ackWaitMs: 30_000,
      comesAgainBy: null,
      workers: 0,
      unclaimed: 0,
      state: "abandoned",
      reasons: [],
    });
  });

  it("tells what the log costs that nobody archives, and how far it is archived where somebody does", async () => {
    const said = async () => (await lag()).stdout.trimEnd().split("\n\n").at(-1);
    expect(await said()).toBe(
      "nobody archives the log: 12 events, ~6.2 kB of the broker's RAM: orderctl serve archive",
    );
    const announced = announceProcess(connection, () => archiving({ ...archiveState, behind: 3 }));
    onTestFinished(() => announced.stop());
    await connection.nats.flush();
    expect((await said())?.replaceAll("\n", " ")).toMatch(
      /^archive: up to message 1,234,567 .* 3 events to go$/,
    );
    expect((await lag("OTHER")).stdout).toBe("OTHER has no consumers\n");
  });

  it("tells how fast the log grows that nobody archives, where its two samples are apart", async () => {
    const reading = runCommand(`lag --interval 1s --json --server ${broker.url}`);
    const stop = new AbortController();
    const publishing = runCommand(`publish order --count 100k --rate 200 --server ${broker.url}`, {
      signal: stop.signal,
    });
    const { archive } = (await reading).lines()[0]?.data as LogLag;
    stop.abort();
    await publishing;
    expect(archive?.cost.ramBytesPerS).toBeGreaterThan(0);
  });

  it("shows any stream, also one that nobody consumes", async () => {
    expect((await lag("OTHER")).stdout).toBe("OTHER has no consumers\n");
  });

  it("exits 4 for a stream that is not there, and names it", async () => {
    const ran = await lag("NOPE");
    expect(ran.exitCode).toBe(4);
    expect(ran.stdout).toBe("");
    expect(ran.stderr).toContain("NOPE");
    expect(ran.stderr).toMatch(/^ {2}there are .*ORDERS, OTHER/m);
  });

  it("shows one sample after the other with --watch, until it is stopped", async () => {
    const running = startCommand(`lag --watch --interval 20ms --json --server ${broker.url}`);
    await until(() => running.stdout().split("\n").length > 3);
    const ran = await running.stop();
    expect(ran).toMatchObject({ exitCode: 0, stderr: "" });
    const samples = ran.lines();
    expect(new Set(samples.map(({ kind }) => kind))).toEqual(new Set(["consumer-lag"]));
    const times = samples.map(({ data }) => (data as { sampledAt: string }).sampledAt);
    expect(times).toEqual([...new Set(times)].sort());
  });

  it.each(["--watch --fail-above 3", "--watch --interval 0s"])("exits 2 for %s", async (words) => {
    expect(await runCommand(`lag ${words} --server ${broker.url}`)).toMatchObject({
      exitCode: 2,
      stdout: "",
    });
  });

  it("exits 2 for an interval that is none", async () => {
    const ran = await runCommand(`lag --interval soon --server ${broker.url}`);
    expect(ran.exitCode).toBe(2);
  });
});
