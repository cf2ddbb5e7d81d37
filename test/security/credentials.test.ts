import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nkeys } from "nats";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runCommand } from "../support/run-command.ts";
import { type Running, serverOfTest, servers, startServer } from "./secured-broker.ts";
import { createOperator } from "./signed-claims.ts";

const check = "\n  check --creds, --user/--password, --token or --context\n";

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "orderctl-credentials-"));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

async function fileWith(name: string, text: string): Promise<string> {
  const file = join(folder, name);
  await writeFile(file, text);
  return file;
}

/** Nothing that is no error line and its hint: no stack, nothing on stdout. */
async function refused(line: string): Promise<string> {
  const { exitCode, stdout, stderr } = await runCommand(line);
  expect(stdout).toBe("");
  expect(exitCode, stderr).toBe(7);
  return stderr;
}

describe.each(servers)("nats-server $version", (server) => {
  const start = (text: string) => serverOfTest(server, { text: `jetstream: enabled\n${text}` });

  it("refuses a wrong name, a wrong password and none at all", async () => {
    const { url } = await start("authorization { users: [{ user: clerk, password: right }] }");
    const cannot = `error: cannot connect to ${url}: the broker refuses`;
    expect(await refused(`lag -s ${url} --user clerk --password wrong`)).toBe(
      `${cannot} user "clerk"${check}`,
    );
    expect(await refused(`lag -s ${url} --user nobody --password right`)).toBe(
      `${cannot} user "nobody"${check}`,
    );
    expect(await refused(`lag -s ${url}`)).toBe(`${cannot} a user without credentials${check}`);
    expect(await runCommand(`lag -s ${url} --user clerk --password right`)).toMatchObject({ exitCode: 4 });
  });

  it("makes a service end at once, as waiting would not help", async () => {
    const { url } = await start("authorization { users: [{ user: clerk, password: right }] }");
    const startedAt = performance.now();
    expect(await refused(`serve payment -s ${url} --user clerk --password wrong`)).toContain('user "clerk"');
    expect(performance.now() - startedAt).toBeLessThan(5000);
  });

  it("refuses a wrong token", async () => {
    const { url } = await start('authorization { token: "right" }');
    expect(await refused(`lag -s ${url} --token wrong`)).toBe(
      `error: cannot connect to ${url}: the broker refuses the bearer of this token${check}`,
    );
    expect(await runCommand(`lag -s ${url} --token right`)).toMatchObject({ exitCode: 4 });
  });

  it("takes an nkey that it knows, and no other", async () => {
    const [known, unknown] = [nkeys.createUser(), nkeys.createUser()];
    const { url } = await start(`authorization { users: [{ nkey: ${known.getPublicKey()} }] }`);
    const seedFile = (name: string, keys: typeof known) =>
      fileWith(name, `${Buffer.from(keys.getSeed()).toString()}\n`);
    const right = await seedFile("known.nk", known);
    expect(await runCommand(`lag -s ${url} --nkey ${right}`)).toMatchObject({ exitCode: 4 });
    const wrong = await seedFile("unknown.nk", unknown);
    expect(await refused(`lag -s ${url} --nkey ${wrong}`)).toBe(
      `error: cannot connect to ${url}: the broker refuses nkey ${unknown.getPublicKey()}${check}`,
    );
  });

  it("takes credentials of its operator, and says of others when they expired", async () => {
    const operator = createOperator();
    const { url } = await start(operator.config);
    const valid = await fileWith("valid.creds", operator.credentials("ann").file);
    expect(await runCommand(`lag -s ${url} --creds ${valid}`)).toMatchObject({ exitCode: 4 });
    const expiresAt = Date.parse("2026-01-02T03:04:05Z");
    const old = await fileWith("old.creds", operator.credentials("ben", { expiresAt }).file);
    expect(await refused(`lag -s ${url} --creds ${old}`)).toBe(
      `error: cannot connect to ${url}: the broker refuses user "ben", whose credentials expired at 2026-01-02T03:04:05.000Z${check}`,
    );
    const strange = await fileWith("strange.creds", createOperator().credentials("eve").file);
    expect(await refused(`lag -s ${url} --creds ${strange}`)).toContain('the broker refuses user "eve"\n');
  });

  it("ends a service whose credentials expire while it runs", async () => {
    const operator = createOperator();
    const { url } = await start(operator.config);
    const { file } = operator.credentials("kim", { expiresAt: Date.now() + 3000 });
    const creds = await fileWith("soon.creds", file);
    const { exitCode, stderr } = await runCommand(
      `serve payment -s ${url} --creds ${creds} --reconnect-wait 50ms --connect-timeout 1s`,
    );
    expect(exitCode, stderr).toBe(7);
    expect(stderr.trim().split("\n").at(-2)).toMatch(
      /^error: cannot stay connected to the broker: .*(expired|violation).* \(user "kim"\)$/,
    );
  });
});

describe("a file that holds no credentials", () => {
  it.each([
    ["--creds", "credentials", "nsc generate creds"],
    ["--nkey", "nkey seed", "begins with SU"],
  ])("of %s is a mistake in usage that names the file and not what it holds", async (flag, what, hint) => {
    const file = await fileWith("letter.txt", "-----BEGIN-----\nvery-secret-letter\n-----END-----\n");
    const ran = await runCommand(`lag -s nats://127.0.0.1:1 ${flag} ${file}`);
    expect(ran).toMatchObject({ exitCode: 2, stdout: "" });
    expect(ran.stderr).toContain(`error: the ${what} file ${file} is none\n`);
    expect(ran.stderr).toContain(hint);
    expect(ran.stderr).not.toContain("very-secret-letter");
    const missing = await runCommand(`lag -s nats://127.0.0.1:1 ${flag} ${file}.gone`);
    expect(missing.exitCode).toBe(2);
    expect(missing.stderr).toBe(`error: cannot read the ${what} file ${file}.gone\n`);
  });
});

describe("a secret", () => {
  const operator = createOperator();
  let broker: Running;

  beforeAll(async () => {
    const [server] = servers;
    if (!server) throw new Error("no broker is installed");
    const text = `jetstream: enabled\nauthorization { users: [{ user: clerk, password: right }] }`;
    broker = await startServer(server, { text });
  });

  afterAll(() => broker.stop());

  const secret = "hunter2%40/:pass@wd";
  const ways: [
    string,
    (url: string) => Promise<{ words: string; env?: NodeJS.ProcessEnv; secrets: string[] }>,
  ][] = [
    [
      "--password",
      async (url) => ({ words: `-s ${url} --user clerk --password ${secret}`, secrets: [secret] }),
    ],
    ["--token", async (url) => ({ words: `-s ${url} --token ${secret}`, secrets: [secret] })],
    [
      "NATS_PASSWORD",
      async (url) => ({ words: `-s ${url} --user clerk`, env: { NATS_PASSWORD: secret }, secrets: [secret] }),
    ],
    ["NATS_TOKEN", async (url) => ({ words: `-s ${url}`, env: { NATS_TOKEN: secret }, secrets: [secret] })],
    [
      "the server's address",
      async (url) => ({
        words: `-s ${url.replace("//", `//clerk:${secret}@`)}`,
        secrets: [secret, "hunter2"],
      }),
    ],
    [
      "a token in the server's address",
      async (url) => ({ words: `-s ${url.replace("//", "//hunter2-token@")}`, secrets: ["hunter2"] }),
    ],
    [
      "--creds",
      async (url) => {
        const { file, jwt, seed } = operator.credentials("ann");
        return { words: `-s ${url} --creds ${await fileWith("told.creds", file)}`, secrets: [jwt, seed] };
      },
    ],
    [
      "--nkey",
      async (url) => {
        const seed = Buffer.from(nkeys.createUser().getSeed()).toString();
        return { words: `-s ${url} --nkey ${await fileWith("told.nk", seed)}`, secrets: [seed] };
      },
    ],
  ];
  const commands = [
    "lag",
    "lag --json",
    "publish order",
    "audit --json",
    "trace some-order",
    "serve payment --log-level debug --connect-timeout 300ms",
    "collect --log-level debug --json --connect-timeout 300ms",
  ];

  it.each(ways)("given by %s is in nothing that is told, by whatever command", async (_, way) => {
    for (const url of [broker.url, "nats://127.0.0.1:1", "nats://127.0.0.1:99999"]) {
      const { words, env = {}, secrets } = await way(url);
      for (const command of commands) {
        const ran = await runCommand(`${command} ${words} --reconnect-wait 50ms`, { env });
        expect([2, 3, 7], ran.stderr).toContain(ran.exitCode);
        const told = ran.stdout + ran.stderr;
        expect(told).not.toMatch(/^\s+at .*:\d+:\d+\)?$/m);
        for (const each of secrets) expect(told.includes(each), `${command} ${words}\n${told}`).toBe(false);
      }
    }
  });
});
