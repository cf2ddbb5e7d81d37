import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import type { LogArchive } from "../../src/flow/log-archive.ts";
import { announceProcess } from "../../src/flow/process-status.ts";
import { setFaults } from "../orders/gateway/set-faults.ts";
import { startSimulator } from "../orders/gateway/test-simulator.ts";
import { archiveState, archiving } from "../support/archive-state.ts";
import { withContexts } from "../support/context-files.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { runCommand } from "../support/run-command.ts";
import { serve } from "../support/serving.ts";
import { startTestBroker, type TestBroker } from "../support/start-test-broker.ts";
import { until } from "../support/until.ts";

let broker: TestBroker;

beforeAll(async () => {
  broker = await startTestBroker();
});

afterAll(() => broker.stop());

const status = (words = "") => runCommand(`status --server ${broker.url} ${words}`.trim());

async function readStatus() {
  const ran = await status("--json");
  expect(ran).toMatchObject({ exitCode: 0, stderr: "" });
  const [line] = ran.lines();
  expect(line).toMatchObject({ kind: "status", version: 1 });
  return line?.data ?? {};
}

/** Somebody else asks them: their first line may come before the broker knows that they answer. */
async function countProcesses(): Promise<number> {
  const { processes } = (await readStatus()) as { processes: unknown[] };
  return processes.length;
}

describe("where nobody runs services", () => {
  it("tells at once that the broker is there, and with what it was asked", async () => {
    const { exitCode, stdout } = await status("--timeout 2s");
    expect(exitCode).toBe(0);
    const [answer = "", ...more] = stdout.split("\n\n");
    expect(answer.replace(/\d+ µs|[\d.]+ ms/, "0.4 ms").replaceAll("\n", " ")).toBe(
      `connected to ${broker.url} (nats-server ${broker.version}, 0.4 ms) as a user without credentials; no processes run services`,
    );
    expect(more.join("\n")).toMatch(/^server +\S+ +--server$/m);
    expect(more.join("\n")).toMatch(/^timeout +2s +--timeout$/m);
    expect(more.join("\n")).toMatch(/^reconnect-wait +1s +default$/m);
  });
});

describe("where services run", () => {
  it("tells of every process what it does and where it is reached", async () => {
    const one = serve(broker.url, "order inventory --instance one --http-port 0");
    serve(broker.url, "notification --instance two");
    await until(async () => (await countProcesses()) === 2);
    expect(await readStatus()).toMatchObject({
      broker: { server: broker.url, version: broker.version },
      processes: [
        {
          instance: "one",
          services: ["order", "inventory"],
          stopping: false,
          breakers: [],
          workers: [{ consumer: "inventory-reserver", processed: 0, failed: 0, inFlight: 0 }],
          ordersUrl: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
          metricsUrl: null,
        },
        { instance: "two", services: ["notification"], ordersUrl: null },
      ],
    });
    await one.stop();
    await until(async () => (await countProcesses()) === 1);
    expect(await readStatus()).toMatchObject({ processes: [{ instance: "two" }] });
  });

  // It used to say that all runs while every pull was refused.
  it("says in its first line which worker cannot work, and below since when and why", async () => {
    const serving = serve(broker.url, "shipping --instance stuck");
    await until(() => serving.stdout() !== "");
    const connection = await openTestConnection(broker.url);
    onTestFinished(() => connection.close());
    const { config } = await connection.jsm.consumers.info("ORDERS", "shipping-booker");
    await connection.jsm.consumers.delete("ORDERS", "shipping-booker");
    await until(async () => (await status()).stdout.includes("; problems of shipping-booker\n"));
    const { stdout } = await status();
    expect(stdout.replaceAll(/\n +/g, " ")).toMatch(
      / shipping-booker, for [\d.]+ m?s: there is no such consumer on stream ORDERS: `orderctl topology apply` makes it anew\n/,
    );
    await connection.jsm.consumers.add("ORDERS", config);
    await until(async () => !(await status()).stdout.includes("problem"));
    expect((await serving.stop()).stderr).toContain("shipping-booker: there is no such consumer");
  });

  it("says in its first line that the breaker is open", async () => {
    const { url } = await startSimulator();
    await setFaults(url, { outage: true });
    const hasty = "--gateway-backoff 1ms --gateway-attempts 1 --breaker-open 1m";
    const serving = serve(broker.url, `payment --gateway ${url} ${hasty} --instance till`);
    await until(() => serving.stdout() !== "");
    expect((await runCommand(`publish order --count 20 --server ${broker.url}`)).exitCode).toBe(0);
    await until(async () => (await status()).stdout.includes("; PaymentService is open\n"));
    const { stdout } = await status();
    expect(stdout).toContain("\ntill\n  payment\n  up ");
    expect(stdout).toContain("\n  breaker PaymentService open\n");
  });
});

describe("the archive of the log", () => {
  it("is nobody's: then it tells what the log costs the broker", async () => {
    expect((await runCommand(`publish order --count 3 --server ${broker.url}`)).exitCode).toBe(0);
    const { archive } = await readStatus();
    expect(archive).toMatchObject({ archiver: null, problems: [], cost: { ramBytesPerS: null, full: null } });
    const { events, ramBytes } = (archive as LogArchive).cost;
    expect(events).toBeGreaterThan(2);
    expect(ramBytes).toBe(events * 520);
    const { stdout } = await status();
    expect(stdout.replaceAll("\n", " ")).toMatch(
      / nobody archives the log: \d+ events, ~[\d.]+ k?B of the broker's RAM: orderctl serve archive /,
    );
  });

  it("is told as its process tells it, with what is wrong first", async () => {
    const keeper = await openTestConnection(broker.url);
    onTestFinished(() => keeper.close());
    const heldBack = { consumer: "foo", since: "2026-03-01T10:12:00.000000Z", sequence: 1_234_568 };
    announceProcess(keeper, () => archiving({ ...archiveState, heldBack, behind: 12_345 }));
    await keeper.nats.flush();
    const { stdout } = await status();
    expect(stdout.replaceAll("\n", " ")).toMatch(
      / archive: held back by consumer foo since 2026-03-01 [\d:]{8}; up to message 1,234,567 \(\d+d\d\dh ago\), 25 segments, 1\.2 GB in file:\/\/\/var\/lib\/orders; 12,345 events to go {2}keeper /,
    );
    const { archive, processes } = await readStatus();
    const state = { ...archiveState, heldBack, behind: 12_345 };
    expect(processes).toMatchObject([{ archive: state }]);
    expect(archive).toMatchObject({ archiver: { ...state, instance: "keeper" }, problems: [] });
  });
});

describe("where there is no broker", () => {
  it("still tells with what it was looked for, and exits 3", async () => {
    const env = await withContexts({ prod: { url: "nats://127.0.0.1:1", user: "ann" } }, "prod");
    const ran = await runCommand("status", { env: { ...env, NATS_PASSWORD: "s3cret" } });
    expect(ran.exitCode).toBe(3);
    expect(ran.stdout).toMatch(/^not connected; these settings are in force:\n/);
    expect(ran.stdout).toMatch(/^server +nats:\/\/127\.0\.0\.1:1 +context prod$/m);
    expect(ran.stdout).toMatch(/^user +ann +context prod$/m);
    expect(ran.stdout).toMatch(/^password +\*\*\* +NATS_PASSWORD$/m);
    expect(ran.stdout + ran.stderr).not.toContain("s3cret");
    expect(ran.stderr).toMatch(/^error: cannot connect to nats:\/\/127\.0\.0\.1:1: connection refused\n/);
  });
});

describe("where somebody else answers", () => {
  const lie = {
    instance: "liar",
    version: "1",
    services: ["payment"],
    startedAt: "2026-03-01T12:00:00.000Z",
    uptimeMs: 1,
    stopping: false,
    breakers: [],
    workers: [{ consumer: "c", processed: 1, failed: 0, duplicates: 0, inFlight: 0 }],
    ordersUrl: null,
    metricsUrl: null,
    spansTo: null,
    archive: null,
  };

  it("reads what a later version says beside what it knows, and leaves out what an earlier one does not say", async () => {
    const other = await openTestConnection(broker.url);
    onTestFinished(() => other.close());
    const { ordersUrl: _, spansTo: __, archive: ___, ...earlier } = lie;
    const breakers = [{ name: "B", state: "isolated", since: 1 }];
    const said = JSON.stringify({ ...earlier, breakers, mood: "good" });
    other.nats.subscribe("orderctl.status", { callback: (_, message) => void message.respond(said) });
    await other.nats.flush();
    const breaker = { name: "B", state: "unknown" };
    const processes = [{ instance: "liar", breakers: [breaker], spansTo: null, archive: null }];
    expect(await readStatus()).toMatchObject({ processes, unreadableAnswers: 0, answersCut: false });
  });

  // All of these used to be believed.
  it.each([
    ["counts below nothing", { workers: [{ ...lie.workers[0], failed: -5 }] }],
    ["counts that are no counts", { workers: [{ ...lie.workers[0], processed: 1e308 }] }],
    ["times without end", { uptimeMs: 1e308 }],
    ["more services than there are", { services: Array.from({ length: 60_000 }, (_, n) => `s${n}`) }],
    ["a time that is none", { startedAt: "x" }],
    ["archive below nothing", { archive: { ...archiveState, segments: -1 } }],
  ])("believes no %s, and says that there was an answer", async (_, part) => {
    const liar = await openTestConnection(broker.url);
    onTestFinished(() => liar.close());
    const said = JSON.stringify({ ...lie, ...part });
    liar.nats.subscribe("orderctl.status", { callback: (_, message) => void message.respond(said) });
    await liar.nats.flush();
    expect(await readStatus()).toMatchObject({ processes: [], unreadableAnswers: 1 });
    expect((await status()).stdout).toContain("1 answer of others could not be read as a process's");
  });
});
