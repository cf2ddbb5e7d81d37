import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isOlder } from "../../src/core/compare-versions.ts";
import { withContexts } from "../support/context-files.ts";
import { runCommand } from "../support/run-command.ts";
import { type Authority, createAuthority, type Pair } from "./certificates.ts";
import { type Running, serverOfTest, servers } from "./secured-broker.ts";

let authority: Authority;
let stranger: Authority;
let both: Pair;

beforeAll(async () => {
  [authority, stranger] = await Promise.all([createAuthority(), createAuthority()]);
  both = await authority.issue("both", "DNS:localhost,IP:127.0.0.1");
});

afterAll(async () => void (await Promise.all([authority.remove(), stranger.remove()])));

/** Its message and hint, after the check that it is one line each and ends with `code`. */
async function failure(words: string, exitCode = 7): Promise<{ message: string; hint: string }> {
  const ran = await runCommand(`lag ${words} --timeout 2s`);
  expect(ran, ran.stderr).toMatchObject({ exitCode, stdout: "" });
  const [message = "", hint = "", ...more] = ran.stderr.trimEnd().split("\n");
  expect(more).toEqual([]);
  return { message, hint: hint.trim() };
}

/** It got through to the broker, which has no stream. */
const works = (words: string) =>
  expect(runCommand(`lag ${words} --timeout 5s`)).resolves.toMatchObject({ exitCode: 4 });

const byName = ({ port }: Running) => `-s nats://localhost:${port}`;
const byAddress = ({ port }: Running) => `-s nats://127.0.0.1:${port}`;

describe.each(servers)("nats-server $version with TLS", (server) => {
  const start = (pair: Pair, more = "") => {
    const tls = `cert_file: "${pair.cert}", key_file: "${pair.key}" ${more}`;
    return serverOfTest(server, { text: `jetstream: enabled\ntls { ${tls} }` });
  };

  it("is trusted by its authority's certificate, by name and by address", async () => {
    const broker = await start(both);
    await works(`${byName(broker)} --tlsca ${authority.ca}`);
    await works(`${byAddress(broker)} --tlsca ${authority.ca}`);
    await works(`-s tls://127.0.0.1:${broker.port} --tlsca ${authority.ca}`);
  });

  it("is not trusted without it, or with another's", async () => {
    const broker = await start(both);
    const why = "its certificate comes from no authority that is trusted here";
    for (const words of ["", ` --tlsca ${stranger.ca}`]) {
      expect(await failure(byName(broker) + words)).toEqual({
        message: `error: cannot connect to nats://localhost:${broker.port}: ${why}`,
        hint: "--tlsca names the certificate of the authority",
      });
    }
  });

  // The client checks an address against the name `localhost`: it refused the first and took the second.
  it("is known by its address where the certificate has that, and only then", async () => {
    const address = await start(await authority.issue("address", "IP:127.0.0.1"));
    await works(`${byAddress(address)} --tlsca ${authority.ca}`);
    const name = await start(await authority.issue("name", "DNS:localhost"));
    await works(`${byName(name)} --tlsca ${authority.ca}`);
    expect(await failure(`${byAddress(name)} --tlsca ${authority.ca}`)).toEqual({
      message: `error: cannot connect to nats://127.0.0.1:${name.port}: its certificate is for another name`,
      hint: "--server takes a name or address that the certificate has",
    });
  });

  it("is refused under another name", async () => {
    const broker = await start(await authority.issue("other", "DNS:broker.example"));
    const { message } = await failure(`${byName(broker)} --tlsca ${authority.ca}`);
    expect(message).toMatch(/: its certificate is for another name$/);
  });

  it("says that it wants a client certificate, and that it does not trust one", async () => {
    const broker = await start(both, `, ca_file: "${authority.ca}", verify: true`);
    const mine = await authority.issue("mine", "DNS:mine");
    await works(`${byName(broker)} --tlsca ${authority.ca} --tlscert ${mine.cert} --tlskey ${mine.key}`);
    const hint = "--tlscert and --tlskey name a certificate that the broker trusts";
    const cannot = `error: cannot connect to nats://localhost:${broker.port}:`;
    expect(await failure(`${byName(broker)} --tlsca ${authority.ca}`)).toEqual({
      message: `${cannot} it wants a client certificate`,
      hint,
    });
    const theirs = await stranger.issue("theirs", "DNS:theirs");
    const words = `--tlsca ${authority.ca} --tlscert ${theirs.cert} --tlskey ${theirs.key}`;
    expect(await failure(`${byName(broker)} ${words}`)).toEqual({
      message: `${cannot} it does not trust ${theirs.cert}`,
      hint,
    });
  });

  it("runs with deploy/nats/tls.conf", async () => {
    const mine = await authority.issue("client", "DNS:client");
    const file = join(import.meta.dirname, "../../deploy/nats/tls.conf");
    const env = { ORDERCTL_TLS_CERT: both.cert, ORDERCTL_TLS_KEY: both.key, ORDERCTL_TLS_CA: authority.ca };
    const broker = await serverOfTest(server, { file }, env);
    const words = `--tlsca ${authority.ca} --tlscert ${mine.cert} --tlskey ${mine.key}`;
    const { message } = await failure(`${byName(broker)} ${words}`, 3);
    expect(message).toContain("nobody answers for JetStream");
  });

  it("gets no password where TLS was asked for and it has none", async () => {
    const broker = await serverOfTest(server, { text: "jetstream: enabled" });
    for (const where of [`-s tls://localhost:${broker.port}`, `${byName(broker)} --tlsca ${authority.ca}`]) {
      const { message, hint } = await failure(`${where} --user clerk --password s3cret`);
      expect(message).toMatch(/: it offers no TLS, and without it nothing is sent$/);
      expect(hint).toBe(
        "is it the right server? without tls:// and the --tls flags the connection is not encrypted",
      );
    }
  });
});

const newest = servers.find(({ version }) => !isOlder(version, "2.10.4"));

it.skipIf(!newest)(
  "begins with TLS where the broker does (2.10.4 and newer), and says so where it does not",
  async () => {
    if (!newest) return;
    const tls = `tls { cert_file: "${both.cert}", key_file: "${both.key}", handshake_first: true, timeout: 20 }`;
    const broker = await serverOfTest(newest, { text: `jetstream: enabled\n${tls}` });
    await works(`${byName(broker)} --tlsca ${authority.ca} --tls-first`);
    const url = `nats://localhost:${broker.port}`;
    const env = await withContexts({ first: { url, ca: authority.ca, tls_first: true } });
    expect(await runCommand("lag --context first", { env })).toMatchObject({ exitCode: 4 });
    const { hint } = await failure(`${byName(broker)} --tlsca ${authority.ca}`, 5);
    expect(hint).toBe(
      "is it a nats-server? one that begins with TLS needs --tls-first; --server names another",
    );
    const plain = await serverOfTest(newest, { text: "jetstream: enabled" });
    const { message } = await failure(`${byName(plain)} --tlsca ${authority.ca} --tls-first`);
    expect(message).toMatch(/: it does not begin with TLS$/);
  },
);

describe("a file for TLS that cannot be used", () => {
  const lag = (words: string) => runCommand(`lag -s nats://127.0.0.1:1 ${words}`);

  it("is a mistake in usage that names it", async () => {
    const mine = await authority.issue("mine", "DNS:mine");
    const garbage = join(mine.cert, "..", "garbage.pem");
    await writeFile(garbage, "no certificate");
    const cannot = (what: string) => ({
      exitCode: 2,
      stderr: `error: cannot use ${what} for TLS\n  they are PEM files: a certificate, and the private key that belongs to it\n`,
    });
    expect(await lag(`--tlsca ${garbage}`)).toMatchObject(cannot(garbage));
    expect(await lag(`--tlscert ${garbage} --tlskey ${mine.key}`)).toMatchObject(
      cannot(`${garbage} with ${mine.key}`),
    );
    const mixed = `${mine.cert} with ${both.key}`;
    expect(await lag(`--tlscert ${mine.cert} --tlskey ${both.key}`)).toMatchObject(cannot(mixed));
    expect(await lag(`--tlscert ${mine.cert}`)).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("--tlskey"),
    });
    expect(await lag("--tlsca /nonexistent/ca.pem")).toMatchObject({
      exitCode: 2,
      stderr: "error: cannot read the TLS file /nonexistent/ca.pem\n",
    });
  });
});
