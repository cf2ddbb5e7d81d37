import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import {
  readBackgroundStatus,
  startBackgroundBroker,
  stopBackgroundBroker,
} from "../../src/broker/background-broker.ts";
import { isAlive } from "../../src/broker/broker-state.ts";
import { brokerDataDir, brokerStateDir } from "../../src/broker/directories.ts";
import { isBrokerAnswering } from "../../src/broker/probe.ts";
import { natsRequest } from "./nats-request.ts";
import { startTestBroker } from "./start-test-broker.ts";

let dir: string;
let env: NodeJS.ProcessEnv;
let bystander: ChildProcess | undefined;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "orderctl-background-"));
  env = {
    ORDERCTL_NATS_SERVER: process.env.ORDERCTL_NATS_SERVER,
    XDG_STATE_HOME: join(dir, "state"),
    XDG_DATA_HOME: join(dir, "data"),
    XDG_CACHE_HOME: join(dir, "cache"),
  };
});

afterEach(async () => {
  await stopBackgroundBroker({ env });
  bystander?.kill("SIGKILL");
  bystander = undefined;
  await rm(dir, { recursive: true, force: true });
});

/** Port 0 stands for a free one, so that a broker the developer runs on 4222 is left alone. */
const start = () => startBackgroundBroker({ env, port: 0 });

it("starts once, tells what runs, and stops", async () => {
  const started = await start();
  expect(started).toMatchObject({
    started: true,
    running: true,
    source: "env",
    storeDir: brokerDataDir(env),
  });
  expect(await isBrokerAnswering(String(started.url))).toBeDefined();

  const again = await start();
  expect(again).toMatchObject({ started: false, pid: started.pid, url: started.url });
  const status = await readBackgroundStatus({ env });
  expect(status).toMatchObject({ running: true, pid: started.pid, binary: env.ORDERCTL_NATS_SERVER });
  expect(status.uptimeS).toBeGreaterThanOrEqual(0);

  expect(await stopBackgroundBroker({ env })).toEqual({ stopped: true });
  expect(isAlive(Number(started.pid))).toBe(false);
  expect(await stopBackgroundBroker({ env })).toEqual({ stopped: false });
});

it("says what start would use when nothing runs, and starts nothing", async () => {
  expect(await readBackgroundStatus({ env })).toEqual({
    running: false,
    pid: null,
    url: null,
    version: expect.stringMatching(/^\d+\./),
    storeDir: brokerDataDir(env),
    uptimeS: null,
    binary: env.ORDERCTL_NATS_SERVER,
    source: "env",
  });
});

it("starts one broker when two ask at the same time", async () => {
  const both = await Promise.all([start(), start()]);
  expect(both.map(({ started }) => started).sort()).toEqual([false, true]);
  expect(both[0].pid).toBe(both[1].pid);
});

it("keeps its streams from one start to the next", async () => {
  const first = await start();
  await natsRequest(String(first.url), "$JS.API.STREAM.CREATE.KEPT", '{"name":"KEPT","subjects":["kept"]}');
  await stopBackgroundBroker({ env });
  const second = await start();
  const names = await natsRequest(String(second.url), "$JS.API.STREAM.NAMES", "");
  expect(names).toMatchObject({ streams: ["KEPT"] });
});

it("takes a broker that was killed for stopped, and starts anew", async () => {
  const { pid } = await start();
  process.kill(Number(pid), "SIGKILL");
  await expect.poll(() => isAlive(Number(pid))).toBe(false);
  expect(await readBackgroundStatus({ env })).toMatchObject({ running: false });
  expect(await start()).toMatchObject({ started: true });
});

it("does not kill a process that was given the recorded id later", async () => {
  const { pid } = await start();
  const path = join(brokerStateDir(env), "broker.json");
  const state = JSON.parse(await readFile(path, "utf8"));
  await stopBackgroundBroker({ env });
  bystander = spawn("sleep", ["60"], { stdio: "ignore" });
  expect(bystander.pid).not.toBe(pid);
  await writeFile(path, JSON.stringify({ ...state, pid: bystander.pid }));

  expect(await readBackgroundStatus({ env })).toMatchObject({ running: false });
  expect(await stopBackgroundBroker({ env })).toEqual({ stopped: false });
  expect(isAlive(Number(bystander.pid))).toBe(true);
});

it("does not stop another broker that took over the recorded port", async () => {
  const foreign = await startTestBroker();
  const { port } = foreign;
  const state = { pid: foreign.pid, port, serverId: "NOT-THIS-ONE", startedAt: new Date().toISOString() };
  await start();
  await stopBackgroundBroker({ env });
  await writeFile(join(brokerStateDir(env), "broker.json"), JSON.stringify(state));
  expect(await stopBackgroundBroker({ env })).toEqual({ stopped: false });
  expect(isAlive(foreign.pid)).toBe(true);
  await foreign.stop();
});

it("refuses a port on which a foreign nats-server listens, and says how to use that one", async () => {
  const foreign = await startTestBroker();
  await expect(startBackgroundBroker({ env, port: foreign.port })).rejects.toMatchObject({
    code: "conflict",
    message: expect.stringContaining(`another nats-server (${foreign.version}`),
    hint: expect.stringContaining(`--server ${foreign.url}`),
  });
  await foreign.stop();
});

it("refuses a port on which something else listens", async () => {
  const other = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => other.once("listening", resolve));
  const address = other.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  await expect(startBackgroundBroker({ env, port })).rejects.toMatchObject({
    code: "conflict",
    message: expect.stringContaining("no nats-server"),
  });
  other.close();
});

it("takes over the lock of a process that died while it held it", async () => {
  const ended = spawn("true", { stdio: "ignore" });
  await new Promise((resolve) => ended.once("exit", resolve));
  await start();
  await stopBackgroundBroker({ env });
  await writeFile(join(brokerStateDir(env), "broker.lock"), String(ended.pid));
  expect(await start()).toMatchObject({ started: true });
});
