import { describe, expect, it, onTestFinished } from "vitest";
import { Publisher } from "../../../src/jetstream/publish/publisher.ts";
import { Bucket } from "../../../src/jetstream/streams/bucket.ts";
import { serverOfTest, servers } from "../../security/secured-broker.ts";
import { withContexts } from "../../support/context-files.ts";
import { freePort } from "../../support/free-ports.ts";
import { openTestConnection } from "../../support/open-test-connection.ts";
import { runCommand } from "../../support/run-command.ts";
import { workers } from "../../support/serving.ts";
import { startCommand } from "../../support/start-command.ts";
import { until } from "../../support/until.ts";
import { countStored, createLog, textTo } from "../streams/subject-log.ts";

const [storeDir, hubApi] = ["$ORDERCTL_STORE_DIR", "$JS.hub.API"];

describe.each(servers)("a leaf node of nats-server $version", (server) => {
  /** Two servers, each with streams of its own; what is published at the leaf reaches the hub. */
  async function startBoth() {
    const port = await freePort();
    const hub = await serverOfTest(server, {
      text: `server_name: hub\njetstream { domain: hub, store_dir: ${storeDir} }\nleafnodes { listen: "127.0.0.1:${port}" }`,
    });
    const leaf = await serverOfTest(server, {
      text: `server_name: leaf\njetstream { domain: leaf, store_dir: ${storeDir} }\nleafnodes { remotes: [{ url: "nats-leaf://127.0.0.1:${port}" }] }`,
    });
    const env = await withContexts({ hub: { url: leaf.url, jetstream_domain: "hub" } });
    const isJoined = async () => (await runCommand("lag --context hub", { env })).exitCode !== 3;
    await until(isJoined, 20_000);
    return { hub, leaf, env };
  }

  const open = async (url: string, apiPrefix?: string) => {
    const connection = await openTestConnection(url, { apiPrefix });
    onTestFinished(() => connection.close());
    return connection;
  };

  // The orders used to be stored on the leaf.
  it("stores, works and shows on the hub where the context names its domain", async () => {
    const { hub, leaf, env } = await startBoth();
    const serving = startCommand(`serve ${workers} --context hub`, { env });
    await until(() => serving.stdout() !== "");
    const publish = "publish order --count 20 --seed 1 --wait --context hub";
    expect(await runCommand(publish, { env })).toMatchObject({ exitCode: 0 });
    for (const where of ["--context hub", `-s ${leaf.url} --js-domain hub`, `-s ${hub.url}`]) {
      const audit = await runCommand(`audit ${where}`, { env });
      expect(audit.stdout).toMatch(/^PASS {2}20 orders/);
      expect((await runCommand(`replay ORDERS --out - ${where}`, { env })).exitCode).toBe(0);
      expect((await runCommand(`inventory list --json ${where}`, { env })).lines()[0]?.data).not.toEqual([]);
    }
    expect((await runCommand(`lag -s ${leaf.url}`)).stderr).toContain("there is no stream at all");
  }, 60_000);

  it("is answered by the domain that was asked, also where the leaf has such a stream and bucket itself", async () => {
    const { hub, leaf } = await startBoth();
    const [atLeaf, atHub, through] = [
      await open(leaf.url),
      await open(hub.url),
      await open(leaf.url, hubApi),
    ];
    await createLog(atLeaf, "KV_STOCK", {
      subjects: ["$KV.STOCK.>"],
      max_msgs_per_subject: 5,
      discard: "old",
      discard_new_per_subject: false,
    });
    await createLog(through, "KV_STOCK", {
      subjects: ["$KV.STOCK.>"],
      max_msgs_per_subject: 5,
      discard: "old",
      discard_new_per_subject: false,
    });
    await createLog(atLeaf, "LOG");
    const own = new Publisher(atLeaf);
    onTestFinished(() => own.close());
    for (const name of ["a", "b", "c"]) await own.publish(textTo(`LOG.${name}`));
    await createLog(through, "LOG");
    const publisher = new Publisher(through);
    onTestFinished(() => publisher.close());
    expect(await publisher.publish(textTo("LOG.d"))).toMatchObject({ sequence: 1 });
    expect(await new Bucket(through, publisher, "STOCK").write({ key: "MUG", value: "5", revision: 0 })).toBe(
      1,
    );
    expect(await countStored(atHub, "KV_STOCK")).toBe(1);
    expect(await countStored(atLeaf, "KV_STOCK")).toBe(0);
  }, 30_000);

  it("says that nobody answers for a domain that is none", async () => {
    const { url } = await serverOfTest(server, { text: "jetstream: enabled" });
    expect(await runCommand(`lag -s ${url} --js-domain nope`)).toMatchObject({
      exitCode: 3,
      stderr: expect.stringContaining("$JS.nope.API: is --js-domain"),
    });
    expect(await runCommand(`lag -s ${url} --js-domain a.b`)).toMatchObject({ exitCode: 2 });
  });
});

it("is not looked for on a broker of our own, which is sent nothing that belongs to another", async () => {
  const prod = { url: "nats://127.0.0.1:1", jetstream_domain: "hub", creds: "/nonexistent/prod.creds" };
  const env = await withContexts({ prod, nsc: { nsc: "nsc://operator/account/user" } }, "prod");
  const server = process.env.ORDERCTL_NATS_SERVER;
  for (const more of [{}, { NATS_CONTEXT: "nsc" }]) {
    const demo = await runCommand("demo --count 20 --rate 200 --json", {
      env: { ...env, ...more, ORDERCTL_NATS_SERVER: server },
    });
    expect(demo, demo.stderr).toMatchObject({ exitCode: 0 });
  }
}, 60_000);
