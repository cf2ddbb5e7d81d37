import { Readable } from "node:stream";
import { beforeEach, expect, it, onTestFinished } from "vitest";
import { readLastSequence } from "../../src/jetstream/streams/read-message.ts";
import type { PublishReport } from "../../src/orders/publish/publish-report.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { type Ran, runCommand } from "../support/run-command.ts";
import { startTestBroker, type TestBroker } from "../support/start-test-broker.ts";
import { until } from "../support/until.ts";

let broker: TestBroker;
beforeEach(async () => {
  broker = await startTestBroker();
  return () => broker.stop();
});

const reportOf = (ran: Ran): PublishReport => (ran.lines()[0]?.data ?? {}) as PublishReport;

/** Runs until `count` orders are stored, and then without a broker. */
async function loseBrokerAfter(count: number, running: Promise<Ran>): Promise<Ran> {
  const connection = await openTestConnection(broker.url);
  onTestFinished(() => connection.close());
  await until(async () => (await readLastSequence(connection, "ORDERS").catch(() => 0)) >= count);
  await broker.kill();
  return running;
}

// It used to wait for ever, and nobody knew how much was stored.
it("ends when the broker stays away, says how many orders are stored, and the command it prints stores the rest", async () => {
  const line = `publish order --count 3000 --rate 1000 --give-up 2s --server ${broker.url}`;
  const ran = await loseBrokerAfter(500, runCommand(`${line} --json`));
  expect(ran.exitCode).toBe(3);
  expect(JSON.parse(ran.stderr.trimEnd().split("\n").at(-1) ?? "").data).toMatchObject({
    code: "unavailable",
    message: expect.stringMatching(/ORDERS\.created\.\S+: given up after \d+ s: the broker is away$/),
  });
  const { stored, unknown, seed, resumeCommand } = reportOf(ran);
  expect(stored).toBeGreaterThanOrEqual(500);
  expect(resumeCommand).toBe(`orderctl ${line} --json --seed ${seed}`);

  await broker.restart();
  const again = await runCommand((resumeCommand ?? "").split(" ").slice(1));
  expect(again).toMatchObject({ exitCode: 0, stderr: "" });
  const rest = reportOf(again);
  expect(rest.stored + rest.duplicates).toBe(3000);
  expect(rest.duplicates).toBeGreaterThanOrEqual(stored);
  expect(rest.duplicates).toBeLessThanOrEqual(stored + unknown);
  expect(rest.resumeCommand).toBeNull();
});

it("tells the same to a reader, and leaves no password in the command to go on with", async () => {
  const address = broker.url.replace("//", "//ann:secret@");
  const running = runCommand(`publish order --count 3000 --rate 1000 --give-up 300ms -s ${address} --seed 5`);
  const ran = await loseBrokerAfter(200, running);
  expect(ran.exitCode).toBe(3);
  expect(ran.stdout).toMatch(/^\d+ orders stored in /);
  const words = `publish order --count 3000 --rate 1000 --give-up 300ms -s ${broker.url} --seed 5`;
  expect(ran.stdout.split("\n")).toContain(`to store what is missing: orderctl ${words}`);
  expect(ran.stdout + ran.stderr).not.toContain("secret");
});

it("says how to go on with standard input, which has to be given once more", async () => {
  const losing = async function* () {
    yield Buffer.from('{"order_id":"a","customer_id":"c","total_minor":5}\n');
    const connection = await openTestConnection(broker.url);
    onTestFinished(() => connection.close());
    await until(async () => (await readLastSequence(connection, "ORDERS")) === 1);
    await broker.kill();
    yield Buffer.from('{"order_id":"b","customer_id":"c","total_minor":5}\n');
  };
  const line = `publish order --file - --format ndjson --give-up 300ms --server ${broker.url}`;
  const ran = await runCommand(line, { stdin: Readable.from(losing()) });
  expect(ran.exitCode).toBe(3);
  expect(ran.stdout).toContain("1 order stored");
  expect(ran.stdout).toContain(`to store what is missing (with the same input): orderctl ${line}`);
});
