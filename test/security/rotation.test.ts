import { copyFile, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nkeys } from "nats";
import { beforeEach, expect, it, onTestFinished } from "vitest";
import { findBroker } from "../../src/broker/find-broker.ts";
import { type Broker, startBroker } from "../../src/broker/start-broker.ts";
import { readProcesses } from "../../src/flow/process-status.ts";
import type { ConnectionConfig } from "../../src/jetstream/client/connection-config.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { serve } from "../support/serving.ts";
import { until } from "../support/until.ts";
import { createAuthority } from "./certificates.ts";
import { createOperator } from "./signed-claims.ts";

/** As long as the broker may refuse what is to be renewed. */
const connectTimeoutMs = 30_000;

let folder: string;
let file: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "orderctl-rotation-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  file = join(folder, "secret");
});

/** What the broker is told, and what the file holds that it takes then. */
type Generation = { config: string; secret: string };

const user = (password: string): Generation => ({
  config: `authorization { users: [{ user: clerk, password: ${password} }] }`,
  secret: `${password}\n`,
});
const token = (text: string): Generation => ({ config: `authorization { token: ${text} }`, secret: text });
const nkey = (): Generation => {
  const keys = nkeys.createUser();
  const config = `authorization { users: [{ nkey: ${keys.getPublicKey()} }] }`;
  return { config, secret: `${Buffer.from(keys.getSeed()).toString()}\n` };
};
const creds = (): Generation => {
  const { config, credentials } = createOperator();
  return { config, secret: credentials("clerk").file };
};

/** A broker that is restarted at the same address, and takes others then. */
async function startWith({ config }: { config: string }) {
  const binary = await findBroker({ env: process.env });
  const start = { binary, storeDir: join(folder, "store"), noAuth: true };
  let broker: Broker = await startBroker({ ...start, extraConfig: config });
  onTestFinished(() => broker.stop());
  const { url, port } = broker;
  const restartWith = async (next: { config: string }) => {
    await broker.stop();
    broker = await startBroker({ ...start, port, extraConfig: next.config });
  };
  return { url, restartWith };
}

const ways: [string, () => [Generation, Generation], () => Partial<ConnectionConfig>][] = [
  ["a credentials file", () => [creds(), creds()], () => ({ credsFile: file })],
  ["an nkey seed file", () => [nkey(), nkey()], () => ({ nkeyFile: file })],
  [
    "a password in a file",
    () => [user("one"), user("two")],
    () => ({ user: "clerk", password: `file://${file}` }),
  ],
  ["a token in a file", () => [token("t0ken"), token("t1ken")], () => ({ token: `file://${file}` })],
];

// What was read at the start used to be sent for ever, until the broker had refused it twice: that ended the process.
it.each(
  ways,
)("comes back with %s that was renewed, also later than the broker", async (_, create, settings) => {
  const [before, after] = create();
  const { url, restartWith } = await startWith(before);
  await writeFile(file, before.secret);
  const notes: string[] = [];
  const connection = await openTestConnection(url, { ...settings(), connectTimeoutMs }, (text) =>
    notes.push(text),
  );
  onTestFinished(() => connection.close());
  let ended = false;
  void connection.closed.then(() => {
    ended = true;
  });
  const isNoted = (text: string) => until(() => notes.some((note) => note.includes(text)));
  await restartWith(after);
  await isNoted("the broker refuses");
  await rename(file, `${file}.old`);
  await isNoted(`${file}; trying with what it held before`);
  await writeFile(file, after.secret.slice(0, 8));
  await writeFile(file, after.secret);
  await until(() => connection.isConnected());
  await connection.nats.flush();
  expect(ended).toBe(false);
  expect(notes.filter((note) => note.includes("the broker refuses"))).toHaveLength(1);
});

it("comes back with a JSON Web Token and its seed that were renewed in their files", async () => {
  const [before, after] = [createOperator(), createOperator()];
  const [jwtFile, seedFile] = [join(folder, "jwt"), join(folder, "seed")];
  const write = async ({ credentials }: typeof before) => {
    const { jwt, seed } = credentials("clerk");
    await writeFile(jwtFile, `${jwt}\n`);
    await writeFile(seedFile, `${seed}\n`);
  };
  const { url, restartWith } = await startWith(before);
  await write(before);
  const login = { userJwt: `file://${jwtFile}`, userSeed: `file://${seedFile}` };
  const connection = await openTestConnection(url, { ...login, connectTimeoutMs });
  onTestFinished(() => connection.close());
  await restartWith(after);
  await write(after);
  await until(() => connection.isConnected());
});

it("comes back with a client certificate and an authority that were renewed, and tells of one that is missing", async () => {
  const [before, after] = [await createAuthority(), await createAuthority()];
  onTestFinished(async () => void (await Promise.all([before.remove(), after.remove()])));
  const files = {
    certFile: join(folder, "c.pem"),
    keyFile: join(folder, "k.pem"),
    caFile: join(folder, "ca.pem"),
  };
  const install = async (authority: typeof before) => {
    const pair = await authority.issue("both", "DNS:localhost,IP:127.0.0.1");
    await copyFile(pair.cert, files.certFile);
    await copyFile(pair.key, files.keyFile);
    await copyFile(authority.ca, files.caFile);
    const config = `tls { cert_file: "${pair.cert}", key_file: "${pair.key}", ca_file: "${authority.ca}", verify: true }`;
    return { config };
  };
  const { url, restartWith } = await startWith(await install(before));
  const notes: string[] = [];
  const connection = await openTestConnection(url, { tls: files }, (text) => notes.push(text));
  onTestFinished(() => connection.close());
  const next = await install(after);
  await rename(files.keyFile, `${files.keyFile}.new`);
  await restartWith(next);
  await until(() => notes.includes(`cannot read the TLS file ${files.keyFile}; trying again`));
  expect(connection.isConnected()).toBe(false);
  await rename(`${files.keyFile}.new`, files.keyFile);
  await until(() => connection.isConnected());
});

it("lets a service go on that runs while its credentials are renewed", async () => {
  const [before, after] = [user("one"), user("two")];
  const { url, restartWith } = await startWith(before);
  await writeFile(file, before.secret);
  const env = { NATS_USER: "clerk", NATS_PASSWORD: `file://${file}` };
  const serving = serve(url, "notification --reconnect-wait 50ms --instance clerk", env);
  await until(() => serving.stdout() !== "");
  await restartWith(after);
  await writeFile(file, after.secret);
  const connection = await openTestConnection(url, { user: "clerk", password: "two" });
  onTestFinished(() => connection.close());
  await until(async () => (await readProcesses(connection)).length === 1);
  expect((await serving.stop()).exitCode).toBe(0);
});

it("ends where nothing came in time, and names the file", async () => {
  const [before, after] = [user("one"), user("two")];
  const { url, restartWith } = await startWith(before);
  await writeFile(file, before.secret);
  const login = { user: "clerk", password: `file://${file}` };
  const connection = await openTestConnection(url, { ...login, connectTimeoutMs: 1000 });
  onTestFinished(() => connection.close());
  await restartWith(after);
  expect(await connection.closed).toMatchObject({
    code: "denied",
    message: "cannot stay connected to the broker: authorization violation for 1 s",
    hint: { name: "expected_credentials", value: expect.stringContaining(file) },
  });
});
