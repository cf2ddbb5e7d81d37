import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "nats";
import { beforeEach, expect, it, onTestFinished } from "vitest";
import { startBackgroundBroker, stopBackgroundBroker } from "../../src/broker/background-broker.ts";
import { brokerDataDir } from "../../src/core/directories.ts";
import { natsRequest } from "../support/nats-request.ts";
import { runCommand } from "../support/run-command.ts";

let dir: string;
let env: NodeJS.ProcessEnv;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "orderctl-key-"));
  env = {
    ORDERCTL_NATS_SERVER: process.env.ORDERCTL_NATS_SERVER,
    XDG_DATA_HOME: join(dir, "data"),
    XDG_STATE_HOME: join(dir, "state"),
    XDG_CACHE_HOME: join(dir, "cache"),
  };
  onTestFinished(async () => {
    await stopBackgroundBroker({ env });
    await rm(dir, { recursive: true, force: true });
  });
});

const storeDir = () => brokerDataDir(env);
const keyFile = () => join(storeDir(), "broker.nk");
const start = (more = {}) => startBackgroundBroker({ env, port: 0, ...more });
const command = (line: string, more: NodeJS.ProcessEnv = {}) =>
  runCommand(line, { env: { ...env, ...more } });

// Any user of the machine could delete ORDERS with one request.
it("takes nobody without the key, and all commands of its user without a flag", async () => {
  const { url } = await start();
  expect(await command("topology apply")).toMatchObject({ exitCode: 0 });
  await expect(natsRequest(String(url), "$JS.API.STREAM.DELETE.ORDERS", "")).rejects.toThrow(
    /authorization/i,
  );
  expect((await command("lag --json")).exitCode).toBe(0);
  expect((await command(`lag --json --server ${url}`)).exitCode).toBe(0);
  expect((await command("lag --json", { NATS_URL: String(url) })).exitCode).toBe(0);
  const elsewhere = await command(`lag --json --server ${String(url).replace("127.0.0.1", "localhost")}`);
  expect(elsewhere).toMatchObject({ exitCode: 7, stderr: expect.stringContaining(`--server ${url}`) });
});

it("keeps what it writes from other users, also what an older version had left open to them", async () => {
  await start();
  await stopBackgroundBroker({ env });
  const before = ["nats-server.log", "nats-server.conf", "broker.nk"].map((name) => join(storeDir(), name));
  for (const path of before) await chmod(path, 0o644);
  await chmod(storeDir(), 0o755);
  await start();
  expect((await stat(storeDir())).mode & 0o777).toBe(0o700);
  for (const name of await readdir(storeDir())) {
    const { mode } = await stat(join(storeDir(), name));
    // The server's own; the folder is closed.
    if (!name.endsWith(".ports") && name !== "jetstream") expect([name, mode & 0o077]).toEqual([name, 0]);
  }
});

it("tells that there is a key, and never which", async () => {
  await start();
  const seed = (await readFile(keyFile(), "utf8")).trim();
  const ran = await Promise.all(
    ["broker status", "broker status --json", "status", "status --json"].map((line) => command(line)),
  );
  expect(ran[0]?.stdout).toContain("credential present");
  expect(ran[1]?.lines()[0]?.data).toMatchObject({ credential: "present", nkey: keyFile() });
  const log = await readFile(join(storeDir(), "nats-server.log"), "utf8");
  const config = await readFile(join(storeDir(), "nats-server.conf"), "utf8");
  expect(ran.map(({ stdout, stderr }) => stdout + stderr).join() + log + config).not.toContain(seed);
});

it("has the same key after a restart, so that whoever is connected comes back", async () => {
  const { url } = await start();
  const seed = await readFile(keyFile(), "utf8");
  const { port } = new URL(String(url));
  await stopBackgroundBroker({ env });
  await start({ port: Number(port) });
  expect(await readFile(keyFile(), "utf8")).toBe(seed);
});

it("takes everybody with --no-auth, which says so, and refuses that flag while one runs that does not", async () => {
  const opened = await command("broker start --port 0 --no-auth");
  expect(opened.stdout).toContain("everybody on this machine may connect");
  const { url } = (await command("broker status --json")).lines()[0]?.data ?? { url: "" };
  await natsRequest(url, "$JS.API.INFO", "");
  expect((await command("topology apply")).exitCode).toBe(0);
  await stopBackgroundBroker({ env });
  await start();
  const refused = await command("broker start --port 0 --no-auth");
  expect(refused).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("wants its key") });
});

it("sends the key's signature to no other broker than that of its address", async () => {
  await start();
  const presented: string[] = [];
  const thief = createServer((socket) => {
    socket.write(
      'INFO {"server_id":"X","version":"2.15.0","nonce":"abc","auth_required":true,"headers":true}\r\n',
    );
    socket.on("data", (text) => {
      presented.push(String(text));
      socket.end("-ERR 'Authorization Violation'\r\n");
    });
    socket.on("error", () => undefined);
  }).listen(0, "127.0.0.1");
  onTestFinished(() => void thief.close());
  await new Promise((resolve) => thief.once("listening", resolve));
  const address = thief.address();
  const port = typeof address === "object" && address ? address.port : 0;
  expect((await command(`lag --server nats://127.0.0.1:${port}`)).exitCode).toBe(7);
  expect(presented.join()).toContain("CONNECT");
  expect(presented.join()).not.toMatch(/"(sig|nkey)"/);
});

it("closes the broker of `demo` as well", async () => {
  const attacks: Promise<string>[] = [];
  const attack = async (url: string) => {
    const connection = await connect({ servers: url, reconnect: false });
    await connection.close();
    return "let in";
  };
  const ran = await runCommand("demo --count 20 --json", {
    env,
    onStdout: (text) => {
      const url = /nats:\/\/127\.0\.0\.1:\d+/.exec(text)?.[0];
      if (url && attacks.length === 0) attacks.push(attack(url).catch(String));
    },
  });
  expect(ran.exitCode).toBe(0);
  expect(await Promise.all(attacks)).toEqual([expect.stringMatching(/authorization/i)]);
}, 60_000);

it("names a file in the place of the key that holds none, without its content", async () => {
  await start();
  await stopBackgroundBroker({ env });
  await writeFile(keyFile(), "SUrely-not-a-seed");
  const { exitCode, stderr } = await command("broker start --port 0");
  expect([exitCode, stderr.includes("not-a-seed")]).toEqual([2, false]);
  expect(stderr).toContain(`${keyFile()} holds no nkey seed`);
});

it("believes nothing that is written in a folder of others", async () => {
  await start();
  await stopBackgroundBroker({ env });
  await chmod(storeDir(), 0o777);
  const { exitCode, stderr } = await command("lag");
  await chmod(storeDir(), 0o700);
  expect(exitCode).toBe(2);
  expect(stderr).toContain(`chmod go-w ${storeDir()}`);
});
