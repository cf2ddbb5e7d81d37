import { join } from "node:path";
import { expect, it } from "vitest";
import { refusesReplicas } from "../cluster/cluster-of-test.ts";
import { roles } from "../security/roles.ts";
import { serverOfTest, servers } from "../security/secured-broker.ts";
import { freePorts } from "../support/free-ports.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { type Ran, runCommand } from "../support/run-command.ts";
import { until } from "../support/until.ts";

const file = join(import.meta.dirname, "../../deploy/nats/cluster.conf");

/** Again where the servers do not know of each other yet. */
async function patiently(run: () => Promise<Ran>): Promise<Ran> {
  let ran = await run();
  for (let tries = 1; [3, 5].includes(ran.exitCode) && tries < 30; tries += 1) ran = await run();
  return ran;
}

it.skipIf(refusesReplicas)(
  "deploy/nats/cluster.conf makes three servers one, with the users of orderctl.conf",
  async () => {
    const ports = await freePorts(3);
    const routes = ports.map((port) => `"nats-route://route:secret@127.0.0.1:${port}"`).join(", ");
    const shared = Object.fromEntries(
      roles.map((role) => [`ORDERCTL_${role.toUpperCase()}_PASSWORD`, `"secret of ${role}"`]),
    );
    const brokers = await Promise.all(
      ports.map((port, index) =>
        serverOfTest(
          servers[0] ?? { path: "" },
          { file },
          {
            ...shared,
            ORDERCTL_SERVER_NAME: `n${index + 1}`,
            ORDERCTL_LISTEN: '"127.0.0.1:4222"',
            ORDERCTL_CLUSTER_LISTEN: `"127.0.0.1:${port}"`,
            ORDERCTL_ROUTES: `[${routes}]`,
            ORDERCTL_CLUSTER_PASSWORD: "secret",
          },
        ),
      ),
    );
    const as = (user: string, words: string) => () => {
      const password = `secret of ${user}`;
      const who = ["--user", user, "--password", password, "--inbox-prefix", `_INBOX_${user}`];
      const where = ["--server", brokers.map(({ url }) => url).join(","), "--timeout", "2s"];
      return runCommand([...words.split(" "), ...who, ...where]);
    };
    const applied = await patiently(as("admin", "topology apply --replicas 3"));
    expect(applied.exitCode, applied.stderr).toBe(0);
    const diff = await patiently(as("operator", "topology diff --replicas 3"));
    expect(diff).toMatchObject({
      exitCode: 0,
      stdout: "7 streams and 14 consumers, all as they should be\n",
    });
    expect(await patiently(as("publisher", "publish order --count 20"))).toMatchObject({ exitCode: 0 });
    expect(await patiently(as("operator", "audit"))).toMatchObject({ exitCode: 0 });
    // The broker's answers travel from the stream's leader to the server that was asked, and no further than to the
    // asker.
    for (const [index, { url }] of brokers.entries()) {
      const publisher = await openTestConnection(url, {
        user: "publisher",
        password: "secret of publisher",
        inboxPrefix: "_INBOX_publisher",
      });
      for (const reply of ["ORDERS.shipments.hostile", "$JS.API.STREAM.PURGE.ORDERS"])
        publisher.nats.publish(`ORDERS.created.hostile-${index}-${reply.length}`, "", { reply });
      await publisher.nats.flush();
      await publisher.close();
    }
    const admin = await openTestConnection(brokers[0]?.url ?? "", {
      user: "admin",
      password: "secret of admin",
      inboxPrefix: "_INBOX_admin",
    });
    const count = async (filter: string) => {
      const { state } = await admin.jsm.streams.info("ORDERS", { subjects_filter: filter });
      return Object.keys(state.subjects ?? {}).length;
    };
    await until(async () => (await count("ORDERS.created.*")) === 26);
    expect(await count("ORDERS.shipments.*")).toBe(0);
    await admin.close();
  },
);
