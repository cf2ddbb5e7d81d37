import { describe, expect, it, onTestFinished } from "vitest";
import { flowTopology } from "../../../src/flow/flow-topology.ts";
import { applyTopology } from "../../../src/jetstream/streams/apply-topology.ts";
import { orderShape } from "../../../src/orders/flow.ts";
import { openTestConnection } from "../../support/open-test-connection.ts";
import { runCommand } from "../../support/run-command.ts";
import { startTestBroker } from "../../support/start-test-broker.ts";

/** A broker whose only account has these limits. */
async function limited(jetstream: string) {
  const extraConfig = `accounts { A { jetstream { ${jetstream} }
    users: [ { user: a, password: a } ] } }\nno_auth_user: a`;
  const broker = await startTestBroker({ extraConfig });
  onTestFinished(() => broker.stop());
  const connection = await openTestConnection(broker.url);
  onTestFinished(() => connection.close());
  return { broker, connection };
}

/** Each used to end as `internal`, exit code 1, without a hint. */
describe("a refusal by the account's limits", () => {
  it.each([
    [
      "max_streams: 2",
      { exitCode: 3, said: /stream DEAD_LETTERS: maximum number of streams reached\n.*nats stream rm/ },
    ],
    ["max_consumers: 3", { exitCode: 3, said: /maximum consumers limit reached\n.*nats consumer rm/ }],
    ["max_bytes_required: true", { exitCode: 2, said: /max bytes set\n.*topology apply --max-bytes/ }],
  ])("%s: says what to do", async (limit, { exitCode, said }) => {
    const { broker } = await limited(limit);
    const ran = await runCommand(`topology apply --server ${broker.url}`);
    expect(ran).toMatchObject({ exitCode, stdout: "" });
    expect(ran.stderr).toMatch(said);
  });

  it("max_file: says what to do where the limits of the streams are too large, and takes smaller ones", async ({
    skip,
  }) => {
    const { broker, connection } = await limited("max_file: 64MB, max_bytes_required: true");
    skip(connection.version.startsWith("2.9."), "refuses --max-bytes");
    const ran = await runCommand(`topology apply --max-bytes 60MB --server ${broker.url}`);
    expect(ran).toMatchObject({ exitCode: 3, stdout: "" });
    expect(ran.stderr).toMatch(/^error: cannot create stream \w+: insufficient storage resources available/);
    expect(ran.stderr).toContain("--max-bytes");
    await connection.jsm.streams.purge("ORDERS");
    for await (const { config } of connection.jsm.streams.list())
      await connection.jsm.streams.delete(config.name);
    const fits = await runCommand(`topology apply --max-bytes 20MB --server ${broker.url}`);
    expect(fits).toMatchObject({ exitCode: 0, stderr: "" });
    const { config } = await connection.jsm.streams.info("ORDERS");
    expect(config).toMatchObject({ max_bytes: 20e6, discard: "new" });
  });

  it("stops publish where the account's storage is used up, tells how far it came, and the account's limit", async () => {
    const { broker } = await limited("max_file: 200KB");
    const ran = await runCommand(`publish order --count 5000 --server ${broker.url}`);
    expect(ran.exitCode).toBe(3);
    expect(ran.stdout).toMatch(/^[\d,]+ orders stored in /);
    expect(ran.stderr).toContain("resource");
  });
});

it("names the stream that has subjects which are needed", async () => {
  const { broker, connection } = await limited("");
  await connection.jsm.streams.add({ name: "OLD", subjects: ["ORDERS.created.*"] });
  const ran = await runCommand(`topology apply --server ${broker.url}`);
  expect(ran).toMatchObject({ exitCode: 2, stdout: "" });
  expect(ran.stderr).toMatch(
    /^error: cannot create stream ORDERS: subjects overlap with an existing stream: OLD\n/,
  );
  expect(ran.stderr).toContain("nats stream rm");
});

it("says that the broker takes no more connections", async () => {
  const broker = await startTestBroker({ extraConfig: "max_connections: 2" });
  onTestFinished(() => broker.stop());
  for (const _ of [1, 2]) {
    const other = await openTestConnection(broker.url);
    onTestFinished(() => other.close());
  }
  const ran = await runCommand(`lag --server ${broker.url} --timeout 2s`);
  expect(ran).toMatchObject({ exitCode: 3, stdout: "" });
  expect(ran.stderr).toMatch(/maximum connections/i);
});

describe("--max-bytes", () => {
  it("is what ORDERS may hold: a full log refuses orders, and dead letters are not dropped either", async ({
    skip,
  }) => {
    const { broker, connection } = await limited("");
    skip(connection.version.startsWith("2.9."), "refuses --max-bytes");
    await applyTopology(connection, flowTopology(orderShape, { maxBytes: 2 ** 20 }));
    const ran = await runCommand(`publish order --count 20000 --server ${broker.url} --json`);
    expect(ran.exitCode).toBe(3);
    expect(JSON.parse(ran.stderr).data).toMatchObject({ code: "stream_full" });
    const { state } = await connection.jsm.streams.info("ORDERS");
    expect(state.first_seq).toBe(1);
    expect(state.bytes).toBeLessThanOrEqual(2 ** 20);
    const { config } = await connection.jsm.streams.info("DEAD_LETTERS");
    expect(config).toMatchObject({ max_bytes: Math.ceil(2 ** 20 / 10), discard: "new" });
  });

  it("is refused before anything is made where the broker would drop orders instead", async ({ skip }) => {
    const { broker, connection } = await limited("");
    skip(!connection.version.startsWith("2.9."), "this one refuses");
    const ran = await runCommand(`topology apply --max-bytes 1GB --server ${broker.url}`);
    expect(ran).toMatchObject({ exitCode: 2, stdout: "" });
    expect(ran.stderr).toContain("drops old messages");
    expect(await connection.jsm.streams.names().next()).toEqual([]);
  });

  it("shows where a stream that is there has another limit, and leaves it", async ({ skip }) => {
    const { broker, connection } = await limited("");
    skip(connection.version.startsWith("2.9."), "refuses --max-bytes");
    await applyTopology(connection, flowTopology(orderShape));
    const ran = await runCommand(`topology diff --max-bytes 1GB --server ${broker.url}`);
    expect(ran.exitCode).toBe(1);
    expect(ran.stdout).toMatch(/ORDERS.*max_bytes/);
  });
});
