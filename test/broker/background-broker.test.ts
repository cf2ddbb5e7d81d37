import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { adoptBroker } from "../../src/broker/adopt-broker.ts";
import {
  readBackgroundStatus,
  startBackgroundBroker,
  stopBackgroundBroker,
} from "../../src/broker/background-broker.ts";
import { findBroker } from "../../src/broker/find-broker.ts";
import { keepBroker } from "../../src/broker/keep-broker.ts";
import { isBrokerAnswering } from "../../src/broker/probe.ts";
import { startBroker } from "../../src/broker/start-broker.ts";
import { brokerDataDir } from "../../src/core/directories.ts";
import { identify, isAlive } from "../../src/core/process-identity.ts";
import { freeze } from "../support/freeze.ts";
import { natsRequest } from "../support/nats-request.ts";
import { startTestBroker } from "../support/start-test-broker.ts";
import { until } from "../support/until.ts";

let dir: string;
let env: NodeJS.ProcessEnv;
let bystander: ChildProcess | undefined;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "orderctl-background-"));
  env = {
    ORDERCTL_NATS_SERVER: process.env.ORDERCTL_NATS_SERVER,
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
    answering: false,
    keptBy: null,
    pid: null,
    url: null,
    version: expect.stringMatching(/^\d+\./),
    storeDir: brokerDataDir(env),
    uptimeS: null,
    binary: env.ORDERCTL_NATS_SERVER,
    source: "env",
    credential: null,
    nkey: null,
  });
});

it("starts one broker when two ask at the same time", async () => {
  const both = await Promise.all([start(), start()]);
  expect(both.map(({ started }) => started).sort()).toEqual([false, true]);
  expect(both[0].pid).toBe(both[1].pid);
});

it("keeps its streams from one start to the next", async () => {
  const first = await startBackgroundBroker({ env, port: 0, noAuth: true });
  await natsRequest(String(first.url), "$JS.API.STREAM.CREATE.KEPT", '{"name":"KEPT","subjects":["kept"]}');
  await stopBackgroundBroker({ env });
  const second = await startBackgroundBroker({ env, port: 0, noAuth: true });
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

const ownerFile = () => join(brokerDataDir(env), "orderctl-broker.json");
const readOwner = async () => JSON.parse(await readFile(ownerFile(), "utf8"));
const writeOwner = (owner: object) => writeFile(ownerFile(), JSON.stringify(owner));

it("does not kill a process that was given the recorded id later", async () => {
  const { pid } = await start();
  const owner = await readOwner();
  await stopBackgroundBroker({ env });
  bystander = spawn("sleep", ["60"], { stdio: "ignore" });
  expect(bystander.pid).not.toBe(pid);
  await writeOwner({ ...owner, process: { ...owner.process, pid: bystander.pid } });

  expect(await readBackgroundStatus({ env })).toMatchObject({ running: false });
  expect(await stopBackgroundBroker({ env })).toEqual({ stopped: false });
  expect(isAlive(Number(bystander.pid))).toBe(true);
  expect(await start()).toMatchObject({ started: true });
});

it("does not stop another broker that took over the recorded port", async () => {
  const foreign = await startTestBroker();
  await start();
  const owner = await readOwner();
  await stopBackgroundBroker({ env });
  await writeOwner({ ...owner, port: foreign.port });
  expect(await stopBackgroundBroker({ env })).toEqual({ stopped: false });
  expect(isAlive(foreign.pid)).toBe(true);
  await foreign.stop();
});

// Two servers on one store ruin what is stored there; what was remembered used to lie elsewhere, and `up` knew nothing
// of it.
it.each([
  ["garbage", () => writeFile(ownerFile(), '{"process": {"pid"')],
  ["nothing", () => rm(ownerFile())],
])("finds the server that runs on its store although there is %s to read about it", async (_, spoil) => {
  const { pid, url } = await start();
  await spoil();
  expect(await start()).toMatchObject({ started: false, pid, url });
  expect(await stopBackgroundBroker({ env })).toEqual({ stopped: true });
  expect(isAlive(Number(pid))).toBe(false);
});

it("starts no second server beside one that hangs, tells of it, and stops it", async () => {
  const { pid } = await start();
  await freeze(Number(pid));
  expect(await readBackgroundStatus({ env })).toMatchObject({ running: true, answering: false, pid });
  await expect(start()).rejects.toMatchObject({
    code: "conflict",
    message: expect.stringContaining(`process ${pid}`),
    hint: expect.stringContaining("orderctl broker stop"),
  });
  expect(await stopBackgroundBroker({ env })).toEqual({ stopped: true });
  expect(isAlive(Number(pid))).toBe(false);
}, 30_000);

it("takes a server that is a zombie for one that has ended", async () => {
  const script = "sleep 0.3 & echo $!; exec sleep 60";
  const parent = spawn("sh", ["-c", script], { stdio: ["ignore", "pipe", "ignore"] });
  bystander = parent;
  const zombie = identify(Number(await new Promise((resolve) => parent.stdout.once("data", resolve))));
  await until(() => !isAlive(Number(zombie?.pid)));
  expect(() => process.kill(Number(zombie?.pid), 0)).not.toThrow();
  await start();
  const owner = await readOwner();
  await stopBackgroundBroker({ env });
  await writeOwner({ ...owner, process: zombie });
  expect(await start()).toMatchObject({ started: true });
});

describe("a store whose server was started in another container", () => {
  const elsewhere = async () => {
    const owner = await readOwner();
    await writeOwner({ ...owner, process: { ...owner.process, namespace: "pid:[1]" } });
  };

  it("is used where that server answers, and stopped by nobody here", async () => {
    const { pid, url } = await start();
    const owner = await readOwner();
    await elsewhere();
    expect(await start()).toMatchObject({ started: false, url });
    await expect(stopBackgroundBroker({ env })).rejects.toMatchObject({ code: "conflict" });
    expect(isAlive(Number(pid))).toBe(true);
    await writeOwner(owner);
  });

  it("is left alone where nobody can tell whether it runs, and the file to delete is named", async () => {
    const { pid } = await start();
    await elsewhere();
    process.kill(Number(pid), "SIGKILL");
    await until(() => !isAlive(Number(pid)));
    await expect(start()).rejects.toMatchObject({
      code: "conflict",
      hint: expect.stringContaining(ownerFile()),
    });
    await rm(ownerFile());
    expect(await start()).toMatchObject({ started: true });
  });
});

describe("the server of a process that ends it with itself", () => {
  const keep = async () => {
    const binary = await findBroker({ env });
    const broker = await startBroker({ binary, storeDir: brokerDataDir(env) });
    onTestFinished(() => broker.stop());
    return broker;
  };
  /** As a kill -9 leaves it. */
  const orphan = async () => {
    const ended = spawn("sleep", ["60"], { stdio: "ignore" });
    const keeper = identify(Number(ended.pid));
    ended.kill("SIGKILL");
    await until(() => !isAlive(Number(ended.pid)));
    await writeOwner({ ...(await readOwner()), keeper });
  };

  it("is used by `broker start`, on its own port only, and `broker stop` says whose it is", async () => {
    const broker = await keep();
    expect(await start()).toMatchObject({ started: false, url: broker.url, keptBy: process.pid });
    await expect(startBackgroundBroker({ env, port: broker.port - 1 })).rejects.toMatchObject({
      code: "conflict",
      message: expect.stringContaining(broker.url),
    });
    await expect(stopBackgroundBroker({ env })).rejects.toMatchObject({
      code: "conflict",
      message: expect.stringContaining(`process ${process.pid}`),
    });
    expect(await isBrokerAnswering(broker.url)).toBeDefined();
    await broker.stop();
  });

  it("is stopped by `broker stop` once that process was killed", async () => {
    const { pid } = await keep();
    await orphan();
    expect(await readBackgroundStatus({ env })).toMatchObject({ running: true, pid, keptBy: null });
    expect(await stopBackgroundBroker({ env })).toEqual({ stopped: true });
    expect(isAlive(pid)).toBe(false);
  });

  it("is kept by `broker start` once that process was killed, and not taken over afterwards", async () => {
    const { pid } = await keep();
    await orphan();
    expect(await start()).toMatchObject({ started: false, pid });
    expect(await adoptBroker(brokerDataDir(env))).toBeUndefined();
  });

  it("is taken over by one other such process, which starts it again when it is killed, and ends it", async () => {
    const { pid, port } = await keep();
    await orphan();
    const storeDir = brokerDataDir(env);
    const both = await Promise.all([adoptBroker(storeDir), adoptBroker(storeDir)]);
    const [adopted, other] = both.filter((each) => each !== undefined);
    expect(other).toBeUndefined();
    expect(adopted).toMatchObject({ pid, port });
    const kept = await keepBroker({ binary: await findBroker({ env }), port, storeDir }, () => {}, adopted);
    onTestFinished(() => kept.stop());
    process.kill(pid, "SIGKILL");
    await until(async () => (await isBrokerAnswering(kept.url)) !== undefined && kept.pid() !== pid);
    await kept.stop();
    expect(await readBackgroundStatus({ env })).toMatchObject({ running: false });
  });
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

it("leaves the configuration of a server that runs as it is", async () => {
  await start();
  const config = join(brokerDataDir(env), "nats-server.conf");
  const before = await readFile(config, "utf8");
  const binary = await findBroker({ env });
  const second = startBroker({ binary, storeDir: brokerDataDir(env) });
  onTestFinished(() =>
    second.then(
      ({ stop }) => stop(),
      () => {},
    ),
  );
  await expect(second).rejects.toMatchObject({
    code: "conflict",
    message: expect.stringContaining("nats://127.0.0.1:"),
  });
  expect(await readFile(config, "utf8")).toBe(before);
});
