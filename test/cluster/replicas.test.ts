import { expect, it, onTestFinished } from "vitest";
import { applyTopology } from "../../src/jetstream/streams/apply-topology.ts";
import { serverOfTest, servers } from "../security/secured-broker.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { runCommand } from "../support/run-command.ts";
import { startTestBroker } from "../support/start-test-broker.ts";
import { refusesReplicas } from "./cluster-of-test.ts";

it.skipIf(refusesReplicas)("are refused by a server that is no cluster, with what to do", async () => {
  const broker = await startTestBroker();
  onTestFinished(() => broker.stop());
  for (const command of ["topology apply", "serve payment"])
    expect(await runCommand(`${command} --replicas 3 -s ${broker.url}`)).toMatchObject({
      exitCode: 2,
      stdout: "",
      stderr: expect.stringContaining("replicas > 1 not supported in non-clustered mode"),
    });
  const { stderr } = await runCommand(`topology apply --replicas 3 -s ${broker.url}`);
  expect(stderr).toContain("\n  --replicas 1, or --server names a server that is one of a cluster\n");
});

/** With three copies of a key it lets two compare-and-sets succeed at once. */
const unsafe = servers.filter(({ version }) => version === "2.9.10");

it.each(unsafe)("are refused by nats-server $version, which would oversell with them", async (server) => {
  const { url } = await serverOfTest(server, { text: "jetstream { store_dir: $ORDERCTL_STORE_DIR }" });
  for (const command of ["topology apply", "serve inventory"])
    expect(await runCommand(`${command} --replicas 3 -s ${url}`)).toMatchObject({
      exitCode: 3,
      stderr: expect.stringContaining("2.9.21 is the oldest"),
    });
  const connection = await openTestConnection(url);
  onTestFinished(() => connection.close());
  expect(await connection.jsm.streams.names().next()).toEqual([]);
  // One copy is as safe as ever.
  const single = { streams: [{ name: "ONE", subjects: ["ONE"], num_replicas: 1 }], consumers: [] };
  expect(await applyTopology(connection, single)).toEqual([]);
});
