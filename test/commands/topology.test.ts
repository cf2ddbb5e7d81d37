import { expect, it, onTestFinished } from "vitest";
import { startTestBroker } from "../broker/start-test-broker.ts";
import { openTestConnection } from "../jetstream/open-test-connection.ts";
import { runCommand } from "../run-command.ts";

it("tells what is missing, creates it once, and shows what somebody changed without changing it back", async () => {
  const broker = await startTestBroker();
  onTestFinished(() => broker.stop());
  const topology = (words: string) => runCommand(`topology ${words} -s ${broker.url}`);

  const missing = await topology("diff");
  expect(missing).toMatchObject({ exitCode: 1, stderr: "" });
  expect(missing.stdout).toContain("6 streams and 14 consumers: 20 missing\n");
  expect(missing.stdout).toContain("  missing stream ORDERS\n");

  const applied = await topology("apply --json");
  expect(applied).toMatchObject({ exitCode: 0, stderr: "" });
  const [line] = applied.lines();
  expect(line).toMatchObject({
    kind: "topology",
    version: 1,
    data: { streams: 6, consumers: 14, drifts: [] },
  });
  expect(line?.data).toHaveProperty(
    "created",
    expect.arrayContaining(["stream TRACES", "consumer payment-processor"]),
  );
  const again = await topology("apply");
  expect(again).toMatchObject({ exitCode: 0, stdout: "6 streams and 14 consumers, all as they should be\n" });

  const connection = await openTestConnection(broker.url);
  onTestFinished(() => connection.close());
  await connection.jsm.streams.update("ORDERS", { max_msgs: 1000, discard_new_per_subject: false });
  for (const words of ["diff", "apply", "diff"]) {
    const { exitCode, stdout } = await topology(words);
    expect(exitCode).toBe(words === "diff" ? 1 : 0);
    expect(stdout).toBe(
      "6 streams and 14 consumers: 1 setting differs\n  stream ORDERS: discard_new_per_subject is null, wanted true; left as it is\n",
    );
  }
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
  expect(line?.data).toMatchObject({ streams: { length: 6 }, consumers: { length: 14 } });
});
