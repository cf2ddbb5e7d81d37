import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { generateOrders } from "../../src/orders/publish/open-order-source.ts";
import { subjectOf } from "../../src/orders/subjects.ts";
import { encodeEvent } from "../../src/orders/wire/codec.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { runCommand } from "../support/run-command.ts";
import { startCommand } from "../support/start-command.ts";
import { until } from "../support/until.ts";
import { openSecuredWorld, type Role, type SecuredWorld } from "./roles.ts";
import { servers } from "./secured-broker.ts";

/** Runs a command as a user until it is told to stop, at the latest with the test. */
const start = ({ env }: SecuredWorld, role: Role, words: string) =>
  startCommand(`${words} --context ${role} --log-level debug`, { env });

/** Acts of the services that the broker refused, but for looking at what is not theirs. */
async function refusedActs({ broker }: SecuredWorld): Promise<string[]> {
  const own = /user:(?:payment|inventory|shipping|notification|archive)"/;
  const acts = (await broker.log())
    .split("\n")
    .filter((line) => line.includes("Violation") && own.test(line));
  const isOthers = /"\$JS\.API\.STREAM\.(?:INFO\.(?:KV_INVENTORY|KV_SUSPECTS|REDRIVES)|CREATE\.ORDERS)"/;
  return acts.filter((line) => !isOthers.test(line));
}

describe.each(servers)("the users of deploy/nats/orderctl.conf on nats-server $version", (server) => {
  let world: SecuredWorld;
  /** Once something is archived there, no order is worked on without it. */
  let folder: string;

  beforeAll(async () => {
    world = await openSecuredWorld(server);
    folder = await mkdtemp(join(tmpdir(), "orderctl-archive-"));
  });

  afterAll(async () => {
    await world.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it("are told what to do while the streams are missing, and only the admin creates them", async () => {
    for (const [role, words] of [
      ["payment", "serve payment"],
      ["publisher", "publish order"],
      ["order", "serve order --http-port 0"],
      ["collector", "collect --port 0"],
    ] as const) {
      const stream = role === "collector" ? "TRACES" : "ORDERS";
      const ran = await world.as(role, words);
      expect(ran, words).toMatchObject({ exitCode: 7, stdout: "" });
      expect(ran.stderr).toBe(
        `error: stream ${stream} is missing; cannot create stream ${stream}: no permission to publish to $JS.API.STREAM.CREATE.${stream} (user "${role}")\n  a user that may create it does so with \`orderctl topology apply\`, once\n`,
      );
    }
    expect(await world.as("operator", "topology diff --json")).toMatchObject({ exitCode: 1 });
    expect(await world.as("admin", "topology apply")).toMatchObject({ exitCode: 0 });
    const { exitCode, stdout } = await world.as("operator", "topology diff");
    expect(stdout).toMatch(/^\d+ streams and \d+ consumers, all as they should be\n$/);
    expect(exitCode).toBe(0);
  });

  it("end every order, each service under its own user, and the operator proves it", async () => {
    const services = (["payment", "inventory", "shipping", "notification"] as const).map((role) =>
      start(world, role, `serve ${role} --decline-share 5% --default-stock 40 --metrics-port 0 --json`),
    );
    const api = start(world, "order", "serve order --http-port 0 --json");
    await until(() => [...services, api].every(({ stdout }) => stdout() !== ""), 20_000);
    const published = await world.as("publisher", "publish order --count 200 --seed 7 --json");
    expect(published).toMatchObject({ exitCode: 0, stderr: "" });
    const { url } = JSON.parse(api.stdout()).data;
    const placed = await fetch(`${url}/orders`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ order_id: "by-http", total_amount: "9.90" }),
    });
    expect(placed.status).toBe(201);
    await until(async () => {
      const audit = await world.as("operator", "audit --json");
      const { data } = JSON.parse(audit.stdout);
      return audit.exitCode === 0 && data.orders === 201 && data.underWay === 0;
    }, 30_000);
    const metrics = await Promise.all(
      services.map(async ({ stdout }) =>
        (await fetch(`${JSON.parse(stdout()).data.metricsUrl}/metrics`)).text(),
      ),
    );
    for (const text of metrics) expect(text).toMatch(/pending/);
    expect((await fetch(`${url}/orders/by-http`)).status).toBe(200);
    expect(await world.as("operator", "lag")).toMatchObject({ exitCode: 0, stderr: "" });
    const status = await world.as("operator", "status --json");
    expect(status).toMatchObject({ exitCode: 0, stderr: "" });
    expect(JSON.parse(status.stdout).data.processes).toHaveLength(5);
    // Not allowed to ask is not the same as nobody there.
    expect(await world.as("publisher", "status --json")).toMatchObject({
      exitCode: 7,
      stderr: expect.stringContaining("no permission to"),
    });
    expect(await world.as("operator", "trace by-http")).toMatchObject({ exitCode: 0, stderr: "" });
    const ended = await Promise.all(services.map(({ stop }) => stop()));
    expect(ended.map(({ exitCode }) => exitCode)).toEqual([0, 0, 0, 0]);
    expect(await refusedActs(world)).toEqual([]);
  });

  it("have the log archived under its own user, and no archived order begins again", async () => {
    const how = `--archive ${folder} --keep 1s --segment-events 10 --json`;
    const archiver = start(world, "archive", `serve archive ${how}`);
    const connect = async (role: "admin" | "publisher") => {
      const inboxPrefix = `_INBOX_${role}`;
      const user = { user: role, password: world.passwords[role], inboxPrefix };
      const connection = await openTestConnection(world.broker.url, user);
      onTestFinished(() => connection.close());
      return connection;
    };
    const [admin, publisher] = [await connect("admin"), await connect("publisher")];
    const firstInLog = async () => (await admin.jsm.streams.info("ORDERS")).state.first_seq;
    await until(async () => (await firstInLog()) > 50, 40_000);
    const payment = start(world, "payment", "serve payment --json");
    const again = await world.as("publisher", "publish order --count 3 --seed 7");
    expect(again.stdout).toMatch(/^nothing new: /);
    // Whoever does not ask has them stored.
    for (const order of generateOrders(3, 7).orders)
      await publisher.nats.jetstream().publish(subjectOf("created", order.orderId), encodeEvent(order));
    const letters = async () => (await world.as("operator", "dlq list --json --reason repeat")).lines();
    await until(async () => (await letters()).length === 3, 20_000);
    await world.as("admin", "dlq purge --all --yes");
    expect(await payment.stop()).toMatchObject({ exitCode: 0 });
    expect(await archiver.stop()).toMatchObject({ exitCode: 0 });
    expect(await refusedActs(world)).toEqual([]);
  });

  it("keep dead letters, which the operator reads and the admin alone gives back", async () => {
    const away = "--gateway http://127.0.0.1:1 --gateway-attempts 1 --breaker-failures 1000 --max-attempts 1";
    const failing = start(world, "payment", `serve payment --json ${away}`);
    await until(() => failing.stdout() !== "");
    await world.as("publisher", "publish order --seed 5");
    const letters = async (words: string) => (await world.as("operator", `dlq list --json ${words}`)).stdout;
    await until(async () => (await letters("")).includes("payment-processor"), 15_000);
    expect(await failing.stop()).toMatchObject({ exitCode: 0 });
    expect(await world.as("operator", "dlq redrive --all")).toMatchObject({
      exitCode: 7,
      stderr: expect.stringMatching(/REDRIVES\.payment-processor\.\S+: no permission .* \(user "operator"\)/),
    });
    expect(await world.as("operator", "dlq purge --all --yes")).toMatchObject({
      exitCode: 7,
      stderr: expect.stringMatching(/\$JS\.API\.STREAM\.MSG\.DELETE\.DEAD_LETTERS \(user "operator"\)/),
    });
    const working = start(world, "payment", "serve payment --json");
    expect(await world.as("admin", "dlq redrive --all")).toMatchObject({ exitCode: 0 });
    await until(async () => (await letters("--redriven")).includes('"done"'), 15_000);
    expect(await working.stop()).toMatchObject({ exitCode: 0 });
    expect(await refusedActs(world)).toEqual([]);
  });

  it("find the collector by the broker, and their spans come back to the operator", async () => {
    const collector = start(world, "collector", "collect --port 0 --json");
    await until(() => collector.stdout() !== "", 10_000);
    const env = { ...world.env };
    delete env.OTEL_TRACES_EXPORTER;
    const published = await runCommand("publish order --seed 99 --json --context publisher", { env });
    expect(published).toMatchObject({ exitCode: 0, stderr: "" });
    const { firstOrderId } = JSON.parse(published.stdout).data;
    await until(async () => {
      const { stdout } = await world.as("operator", `trace ${firstOrderId} --otlp`);
      return stdout.includes("ORDERS.created.{order_id}") && !stdout.includes('"resourceSpans":[]');
    }, 10_000);
    expect(await collector.stop()).toMatchObject({
      exitCode: 0,
      stderr: expect.stringContaining("stored 1 span"),
    });
  });
});
