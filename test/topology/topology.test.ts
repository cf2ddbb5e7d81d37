import { describe, expect, it, onTestFinished } from "vitest";
import { flowTopology } from "../../src/flow/flow-topology.ts";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { applyTopology } from "../../src/jetstream/streams/apply-topology.ts";
import { orderShape } from "../../src/orders/flow.ts";
import { brokerOfTest } from "../support/broker-of-test.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { runCommand } from "../support/run-command.ts";
import { serve } from "../support/serving.ts";
import { startTestBroker } from "../support/start-test-broker.ts";
import { until } from "../support/until.ts";

it("tells what is missing, creates it once, and shows what somebody changed without changing it back", async () => {
  const broker = await startTestBroker();
  onTestFinished(() => broker.stop());
  const topology = (words: string) => runCommand(`topology ${words} -s ${broker.url}`);

  const missing = await topology("diff");
  expect(missing).toMatchObject({ exitCode: 1, stderr: "" });
  expect(missing.stdout).toContain("7 streams and 14 consumers: 21 missing\n");
  expect(missing.stdout).toContain("  missing stream ORDERS\n");

  const applied = await topology("apply --json");
  expect(applied).toMatchObject({ exitCode: 0, stderr: "" });
  const [line] = applied.lines();
  expect(line).toMatchObject({
    kind: "topology",
    version: 1,
    data: { streams: 7, consumers: 14, drifts: [] },
  });
  expect(line?.data).toHaveProperty(
    "created",
    expect.arrayContaining(["stream TRACES", "consumer payment-processor"]),
  );
  const again = await topology("apply");
  expect(again).toMatchObject({ exitCode: 0, stdout: "7 streams and 14 consumers, all as they should be\n" });

  const connection = await openTestConnection(broker.url);
  onTestFinished(() => connection.close());
  // What the topology does not name used to be left out.
  await connection.jsm.streams.update("ORDERS", { max_msgs: 1000, max_age: 3600e9 });
  for (const words of ["diff", "apply", "apply --fix", "diff"]) {
    const { exitCode, stdout } = await topology(words);
    expect(exitCode).toBe(words === "diff" ? 1 : 0);
    expect(stdout).toBe(
      "7 streams and 14 consumers: 2 settings differ\n" +
        "  stream ORDERS: max_msgs is 1000, wanted -1; left as it is\n" +
        "  stream ORDERS: max_age is 1h00m, wanted 0; left as it is\n",
    );
  }
});

// Services used to start with it, and lost orders without a word.
describe("a setting that breaks a promise", () => {
  type Change = (connection: Connection) => Promise<unknown>;
  const update =
    (settings: object): Change =>
    ({ jsm }) =>
      jsm.consumers.update("ORDERS", "payment-processor", settings);
  const replaceBy =
    (settings: object): Change =>
    async ({ jsm }) => {
      await jsm.consumers.delete("ORDERS", "payment-processor");
      const base = { durable_name: "payment-processor", ack_policy: "explicit", max_ack_pending: 20_000 };
      const wanted = { ...base, filter_subject: "ORDERS.created.*", ...settings };
      await jsm.consumers.add("ORDERS", wanted as never);
    };
  const changeStream =
    (name: string, settings: object): Change =>
    ({ jsm }) =>
      jsm.streams.update(name, settings);

  async function brokerWith(change: Change) {
    const { broker, connection } = await brokerOfTest();
    await applyTopology(connection, flowTopology(orderShape));
    await change(connection);
    return (words: string) => runCommand(`${words} -s ${broker.url}`);
  }

  it.each<[string, Change]>([
    ["max_deliver", update({ max_deliver: 2 })],
    ["headers_only", update({ headers_only: true })],
    ["filter_subject", update({ filter_subject: "ORDERS.created.x" })],
    ["discard_new_per_subject", changeStream("ORDERS", { discard_new_per_subject: false })],
    ["max_msgs_per_subject", changeStream("ORDERS", { max_msgs_per_subject: 5 })],
    ["max_age", changeStream("KV_INVENTORY", { max_age: 3600e9 })],
  ])("keeps a service from starting until `topology apply --fix` has set it back: %s", async (name, change) => {
    const run = await brokerWith(change);
    const refused = await run("serve payment");
    expect(refused).toMatchObject({ exitCode: 2, stdout: "" });
    expect(refused.stderr).toMatch(new RegExp(` has ${name} .* instead of .*: \\w+`));
    expect(refused.stderr).toContain("`orderctl topology apply --fix` sets it back");
    const diff = await run("topology diff");
    expect(diff.exitCode).toBe(1);
    expect(diff.stdout).toContain("; breaks a promise: ");
    const fixed = await run("topology apply --fix");
    expect(fixed.stdout).toMatch(new RegExp(`\\n {2}set back (stream|consumer) \\S+: ${name}\\n$`));
    expect(fixed.exitCode).toBe(0);
    expect((await run("topology diff")).stdout).not.toContain("promise");
  });

  it.each<[string, Change]>([
    ["ack_policy", replaceBy({ ack_policy: "none" })],
    ["ack_policy", replaceBy({ ack_policy: "all" })],
    ["deliver_policy", replaceBy({ deliver_policy: "new" })],
    ["deliver_subject", replaceBy({ deliver_subject: "somewhere" })],
  ])("is mended by --remake where the broker changes it for no consumer: %s", async (name, change) => {
    const run = await brokerWith(change);
    expect((await run("serve payment")).stderr).toContain(` has ${name} `);
    const left = await run("topology apply --fix");
    expect(left.exitCode).toBe(1);
    expect(left.stdout).toContain("\n  not changed: consumer payment-processor: ");
    expect(left.stdout).toContain("`orderctl topology apply --remake`");
    const mended = await run("topology apply --remake");
    expect(mended.exitCode).toBe(0);
    expect(mended.stdout).toContain("\n  made anew consumer payment-processor: ");
    expect((await run("topology diff")).stdout).not.toContain("promise");
  });

  it("does not concern a service that has nothing to do with it", async () => {
    const { broker, connection } = await brokerOfTest();
    await applyTopology(connection, flowTopology(orderShape));
    await update({ max_deliver: 2 })(connection);
    const serving = serve(broker.url, "shipping");
    await until(() => serving.stdout() !== "");
  });
});

it("shows what it wants without a broker: each stream with its consumers, in the broker's own words", async () => {
  const { exitCode, stdout, stderr } = await runCommand("topology show --replicas 3");
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  expect(stdout).toContain('stream ORDERS\n  subjects: ["ORDERS.>"]\n');
  expect(stdout).toContain("  num_replicas: 3\n");
  expect(stdout).toContain("    ack_wait: 30.0 s\n");
  expect(stdout).toContain('  consumer payment-processor\n    ack_policy: "explicit"\n');
  const [line] = (await runCommand("topology show --json")).lines();
  expect(line).toMatchObject({ kind: "topology-wanted", version: 1 });
  expect(line?.data).toMatchObject({ streams: { length: 7 }, consumers: { length: 14 } });
});
