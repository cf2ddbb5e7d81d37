import { type AddressInfo, createServer } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { withContexts } from "./support/context-files.ts";
import { runCommand } from "./support/run-command.ts";
import { startTestBroker, type TestBroker } from "./support/start-test-broker.ts";

/** Nobody listens on port 1. */
const nowhere = "nats://127.0.0.1:1";

describe("the command line", () => {
  it("lists every command in its help", async () => {
    const { exitCode, stdout, stderr } = await runCommand("--help");
    expect([exitCode, stderr]).toEqual([0, ""]);
    for (const name of ["demo", "up", "serve", "publish", "lag", "trace", "audit", "inventory", "broker"]) {
      expect(stdout).toMatch(new RegExp(`^  ${name}( |$)`, "m"));
    }
  });

  it("shows help on stderr, as a mistake, when no command is named", async () => {
    const { exitCode, stdout, stderr } = await runCommand([]);
    expect([exitCode, stdout]).toEqual([2, ""]);
    expect(stderr).toContain("Usage: orderctl");
    expect(stderr).not.toContain("error:");
  });

  it.each(["--version", "-V"])("tells its version with %s", async (flag) => {
    expect(await runCommand(flag)).toMatchObject({ exitCode: 0, stdout: "0.1.0\n", stderr: "" });
  });

  it("explains a command with `help` and with --help alike, options included", async () => {
    const asked = await runCommand("help lag");
    expect(asked).toMatchObject({ exitCode: 0, stdout: (await runCommand("lag --help")).stdout });
    expect(asked.stdout).toContain("--fail-above");
  });

  it("suggests the command that was meant", async () => {
    const { exitCode, stdout, stderr } = await runCommand("inventroy list");
    expect([exitCode, stdout]).toEqual([2, ""]);
    expect(stderr).toBe(
      "error: unknown command 'inventroy' (Did you mean inventory?)\n  add --help for the options\n",
    );
  });

  it.each([
    ["lag --timeout soon", "--timeout"],
    ["lag --timeout", "--timeout"],
    // A timer of more than 2^31 ms used to fire at once, with a warning of the runtime.
    ["lag --timeout 25d", "at most 24d"],
    ["dlq list --since 999999999d", "at most 36500d"],
    ["lag --fail-above 1.5", "--fail-above"],
    ["lag --fail-above 1,5", "--fail-above"],
    ["lag --bogus", "--bogus"],
    ["lag ORDERS and more", "too many arguments"],
    ["publish order --count 0", "--count"],
    ["lag --watch --interval 0", "--interval"],
    ["publish order --map sku=Item", "--map"],
    ["publish order --profile burst", "--rate"],
    ["replay", "where to?"],
    ["dlq redrive", "which ones?"],
    ["inventory set", "what to stock"],
    ["serve", "service"],
    ["serve shop", "shop"],
    ["serve order --http-port 65536", "--http-port"],
  ])("takes `%s` for a mistake in usage and names what is wrong", async (line, named) => {
    const { exitCode, stdout, stderr } = await runCommand(line);
    expect([exitCode, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(/^error: /);
    expect(stderr).toContain(named);
  });

  // With --json these used to be plain text.
  it.each([
    "lgg --json",
    "lag --json --timeout soon",
    "lag --json --bogus",
  ])("tells the mistake in `%s` as one line of JSON", async (line) => {
    const { exitCode, stdout, stderr } = await runCommand(line);
    expect([exitCode, stdout]).toEqual([2, ""]);
    expect(JSON.parse(stderr)).toMatchObject({
      kind: "error",
      version: 1,
      data: { code: "usage", exitCode: 2 },
    });
  });
});

describe("without a broker", () => {
  it("fails at once with exit code 3 and says what to run", async () => {
    const startedAt = performance.now();
    const { exitCode, stdout, stderr } = await runCommand(`lag -s ${nowhere}`);
    expect(performance.now() - startedAt).toBeLessThan(3000);
    expect([exitCode, stdout]).toEqual([3, ""]);
    expect(stderr).toMatch(/^error: cannot connect to nats:\/\/127\.0\.0\.1:1: connection.refused\n/);
    expect(stderr).toContain("orderctl broker start");
  });

  it("fails within its timeout when something listens and never speaks", async () => {
    const mute = createServer(() => {}).listen(0, "127.0.0.1");
    await new Promise((resolve) => mute.once("listening", resolve));
    const { port } = mute.address() as AddressInfo;
    const startedAt = performance.now();
    const { exitCode } = await runCommand(`lag -s nats://127.0.0.1:${port} --timeout 300ms`);
    expect(exitCode).toBe(5);
    expect(performance.now() - startedAt).toBeLessThan(3000);
    mute.close();
  });

  // The first Ctrl-C used to go unheard until the wait was over.
  it("lets a service wait for its broker, and stop waiting when it is told to", async () => {
    const stop = new AbortController();
    const startedAt = performance.now();
    setTimeout(() => stop.abort("SIGINT"), 300);
    const { exitCode, stderr } = await runCommand(`serve payment -s ${nowhere}`, { signal: stop.signal });
    expect(performance.now() - startedAt).toBeLessThan(5000);
    expect(exitCode).toBe(130);
    expect(stderr).toMatch(
      /"msg":"no broker at nats:\/\/127\.0\.0\.1:1 yet; trying for 30 s"}\nerror: interrupted\n$/,
    );
  });

  it("tells the error as one line of JSON with --json", async () => {
    const { exitCode, stderr } = await runCommand(`lag -s ${nowhere} --json`);
    expect(exitCode).toBe(3);
    expect(JSON.parse(stderr)).toMatchObject({
      kind: "error",
      data: { code: "unavailable", exitCode: 3, hint: expect.stringContaining("orderctl up") },
    });
  });

  it.each([
    "nats://alice:s3cret@127.0.0.1:1",
    "alice:s3cret@127.0.0.1:1",
    "nats://alice:s3@cret@127.0.0.1:1,nats://127.0.0.1:2",
    "nats://alice:s3@cret@127.0.0.1:1,nats://s3cret@127.0.0.1:2",
  ])("never tells the secrets in %s", async (server) => {
    for (const json of ["", " --json"]) {
      const { exitCode, stdout, stderr } = await runCommand(`lag -s ${server}${json}`);
      expect([2, 3]).toContain(exitCode);
      expect(stdout + stderr).not.toMatch(/alice|s3|cret/);
    }
  });

  // A file's name used to be able to write a line of its own.
  it("tells in one line that a file with a line break in its name cannot be read", async () => {
    const argv = ["lag", "-s", nowhere, "--creds", "/nonexistent/a\r\nerror: b"];
    expect(await runCommand(argv)).toMatchObject({
      exitCode: 2,
      stderr: "error: cannot read the credentials file /nonexistent/a??error: b\n",
    });
  });

  it.each([
    ["--creds", "credentials"],
    ["--nkey", "nkey"],
    ["--tlsca", "TLS"],
  ])("names the file that %s cannot read", async (flag, what) => {
    const { exitCode, stderr } = await runCommand(`lag -s ${nowhere} ${flag} /nonexistent`);
    expect(exitCode).toBe(2);
    expect(stderr).toContain(`cannot read the ${what}`);
    expect(stderr).toContain("/nonexistent");
  });
});

describe("a broker that asks who you are", () => {
  let broker: TestBroker;
  beforeAll(async () => {
    broker = await startTestBroker({ extraConfig: 'authorization { user: alice, password: "s3cret" }' });
  });
  afterAll(() => broker.stop());

  const list = (flags: string, env: NodeJS.ProcessEnv = {}) =>
    runCommand(`inventory list ${flags}`.trim(), { env });

  it.each([
    "",
    "--user alice --password wrong",
    "--token s3cret",
  ])("lets nobody in with `%s`", async (flags) => {
    const { exitCode, stderr } = await list(`-s ${broker.url} ${flags}`.trim());
    expect(exitCode).toBe(7);
    expect(stderr).toContain("check --creds, --user/--password, --token or --context");
    expect(stderr).not.toMatch(/wrong|s3cret/);
  });

  it("lets in who says so by flags, by the environment, in the address or in a context", async () => {
    const address = broker.url.replace("//", "//alice:s3cret@");
    const env = { NATS_URL: broker.url, NATS_USER: "alice", NATS_PASSWORD: "s3cret" };
    const contexts = await withContexts(
      { here: { url: broker.url, user: "alice", password: "env://SECRET" } },
      "here",
    );
    const ran = [
      await list(`-s ${broker.url} --user alice --password s3cret`),
      await list("", env),
      await list("", { NATS_URL: address }),
      await list("", { ...contexts, SECRET: "s3cret" }),
      await list("--context here", { ...contexts, SECRET: "s3cret" }),
    ];
    expect(ran.map(({ exitCode, stderr }) => [exitCode, stderr])).toEqual(ran.map(() => [0, ""]));
  });
});
