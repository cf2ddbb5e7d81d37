import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { brokerStatus } from "../../src/broker/broker-status.ts";
import { isBrokerAnswering } from "../../src/broker/probe.ts";
import { isAlive } from "../../src/core/process-identity.ts";
import { runCommand } from "../support/run-command.ts";
import { startCommand } from "../support/start-command.ts";
import { until } from "../support/until.ts";

let dir: string;
let env: NodeJS.ProcessEnv;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "orderctl-broker-"));
  env = {
    ORDERCTL_NATS_SERVER: process.env.ORDERCTL_NATS_SERVER,
    XDG_DATA_HOME: join(dir, "data"),
    XDG_CACHE_HOME: join(dir, "cache"),
  };
});
afterEach(async () => {
  await broker("stop");
  await rm(dir, { recursive: true, force: true });
});

const broker = (line: string, more: NodeJS.ProcessEnv = {}) =>
  runCommand(`broker ${line}`, { env: { ...env, ...more } });

/** Port 0 takes a free one, so that a broker the developer runs on 4222 is left alone. */
const start = "start --port 0";

it("starts a broker, tells where it is, and stops it", async () => {
  const started = await broker(start);
  expect(started.exitCode).toBe(0);
  const first = started.stdout.split("\n")[0] ?? "";
  const [, url = "", pid = ""] =
    /^nats-server \S+ is running at (nats:\/\/127\.0\.0\.1:\d+) \(pid (\d+)\)$/.exec(first) ?? [];
  expect(first).toContain(url);
  expect(await isBrokerAnswering(url)).toBeDefined();
  expect(started.stdout).toContain("orderctl broker stop");
  expect(started.stderr).toContain("starting nats-server");

  const status = await broker("status");
  expect([status.exitCode, status.stdout.split("\n")[0]]).toEqual([0, first]);

  const stopped = await broker("stop");
  expect([stopped.exitCode, stopped.stdout]).toEqual([
    0,
    "the background broker is stopped; its streams are kept\n",
  ]);
  expect(isAlive(Number(pid))).toBe(false);
});

// They used to look at port 4222 only.
it("is there for the other commands, which find it on whatever port it runs", async () => {
  const { url } = (await broker(`${start} --json`)).lines()[0]?.data ?? { url: "" };
  const set = await runCommand("inventory set MUG-1=5", { env });
  expect(set).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("5 units available") });
  const status = await runCommand("status", { env });
  expect(status.stdout).toMatch(new RegExp(`^server +${url} +broker in the background$`, "m"));
  await broker("stop");
  expect((await runCommand("status --json", { env })).lines()[0]?.data).toMatchObject({
    settings: expect.arrayContaining([{ name: "server", value: "nats://127.0.0.1:4222", from: "default" }]),
  });
});

// `up` used to start a second server on the same store, and wrote over the configuration of the first.
it("is used by `up`, which says so and leaves it running", async () => {
  const { url, pid } = (await broker(`${start} --json`)).lines()[0]?.data ?? { url: "", pid: 0 };
  const up = startCommand("up --http-port 0 --collect-port 0", { env });
  await until(() => up.stdout().includes(`on ${url} `), 30_000);
  const { exitCode, stderr } = await up.stop();
  expect(exitCode).toBe(0);
  expect(stderr).toContain(
    `using the nats-server that runs at ${url} (process ${pid}); it goes on after this one`,
  );
  expect(await isBrokerAnswering(url)).toBeDefined();
}, 60_000);

it("starts none when one runs, and says so", async () => {
  await broker(start);
  const again = await broker(start);
  expect(again.exitCode).toBe(0);
  expect(again.stdout).toMatch(/^nats-server \S+ is already running at /);
});

it("says which nats-server it would start when none runs", async () => {
  const { exitCode, stdout } = await broker("status");
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(/^no background broker is running\n/);
  expect(stdout).toContain(String(env.ORDERCTL_NATS_SERVER));
});

it("stops nothing when none runs, and says so", async () => {
  expect(await broker("stop")).toMatchObject({ exitCode: 0, stdout: "no background broker was running\n" });
});

it("tells the same in JSON", async () => {
  const off = (await broker("status --json")).lines();
  expect(off).toMatchObject([{ kind: "broker", version: 1, data: { running: false, pid: null, url: null } }]);
  const on = (await broker(`${start} --json`)).lines();
  expect(on).toMatchObject([{ kind: "broker", data: { running: true, started: true, source: "env" } }]);
  const stopped = (await broker("stop --json")).lines();
  expect(stopped).toEqual([{ kind: "broker-stopped", version: 1, data: { stopped: true } }]);
});

it("refuses to start one on another port than that of the one that runs, and names it", async () => {
  const { url } = (await broker(`${start} --json`)).lines()[0]?.data ?? { url: "" };
  const { port } = new URL(url);
  expect(await broker(`start --port ${port}`)).toMatchObject({ exitCode: 0 });
  const elsewhere = await broker(`start --port ${Number(port) - 1}`);
  expect(elsewhere).toMatchObject({ exitCode: 1, stdout: "" });
  expect(elsewhere.stderr).toMatch(
    `error: a broker runs on ${join(dir, "data", "orderctl", "jetstream")} already, at ${url}\n`,
  );
});

describe("broker install", () => {
  it("says why nothing can be had, and what to do", async () => {
    const { exitCode, stdout, stderr } = await broker("install", { ORDERCTL_DEBIAN_SUITE: "no-such-suite" });
    expect([exitCode, stdout]).toEqual([3, ""]);
    expect(stderr).toContain("error: no nats-server to be had:\n  the Debian package: ");
    expect(stderr).toContain("https://nats.io/download");
  });
});

describe("broker start", () => {
  it("refuses a port that is taken, and tells how to choose another", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => other.once("listening", resolve));
    const address = other.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const { exitCode, stderr } = await broker(`start --port ${port}`);
    other.close();
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`listens on port ${port}`);
    expect(stderr).toContain("--port");
  });

  it.each(["70000", "-1", "many"])("refuses the port %s as a mistake in usage", async (port) => {
    const { exitCode, stderr } = await broker(`start --port ${port}`);
    expect(exitCode).toBe(2);
    expect(stderr).toContain("--port");
  });

  it("says when ORDERCTL_NATS_SERVER is no nats-server", async () => {
    const { exitCode, stderr } = await broker(start, { ORDERCTL_NATS_SERVER: "/bin/true" });
    expect(exitCode).toBe(2);
    expect(stderr).toContain("ORDERCTL_NATS_SERVER: /bin/true");
  });
});

it("has no answer to a broker subcommand that is none", async () => {
  const { exitCode, stderr } = await broker("stat");
  expect(exitCode).toBe(2);
  expect(stderr).toMatch(/unknown command 'stat' \(Did you mean (one of )?sta(rt|tus)/);
});

it("says that `start` fetches a nats-server where there is none", () => {
  const nothing = {
    answering: false,
    keptBy: null,
    pid: null,
    url: null,
    version: null,
    uptimeS: null,
    binary: null,
    source: null,
    credential: null,
    nkey: null,
  };
  expect(brokerStatus({ running: false, storeDir: "/data", ...nothing })).toBe(
    "no background broker is running\n  data    /data\nthere is no nats-server here; `orderctl broker start` fetches one",
  );
});
