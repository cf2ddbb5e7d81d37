import { createWriteStream } from "node:fs";
import { PassThrough, Readable, Writable } from "node:stream";
import { expect, it } from "vitest";
import { run } from "../../src/cli.ts";
import { brokerOfTest } from "../support/broker-of-test.ts";
import { runCommand } from "../support/run-command.ts";
import { until } from "../support/until.ts";

type Streams = { stdout?: NodeJS.WritableStream; stderr?: NodeJS.WritableStream };

/** As `runCommand`, on streams that may fail. */
async function runOn(words: string, { stdout = new PassThrough(), stderr }: Streams) {
  const said: string[] = [];
  const noting = new PassThrough().on("data", (chunk) => said.push(String(chunk)));
  const exitCode = await run(words.split(" "), {
    env: { LANG: "en_US.UTF-8", NO_COLOR: "1", HOME: "/nonexistent" },
    stdin: Readable.from([]),
    stdout,
    stderr: stderr ?? noting,
    signal: new AbortController().signal,
  });
  return { exitCode, stderr: said.join("") };
}

const full = (): Writable => createWriteStream("/dev/full");
const hasFull = process.platform === "linux";
const noRoom = /^error: cannot write to standard output: ENOSPC: no space left on device, write\n {2}what/;

/** Takes `lines` lines, and is then closed as a pipe by `head`. */
function head(lines: number): Writable {
  let left = lines;
  return new Writable({
    write(chunk, _, done) {
      left -= String(chunk).split("\n").length - 1;
      done(left >= 0 ? null : Object.assign(new Error("write EPIPE"), { code: "EPIPE" }));
    },
  });
}

// It used to be exit code 1 and not a word: the same as an audit that found something.
it.runIf(hasFull)("exits 8 with a line when a result cannot be written, whatever the result is", async () => {
  const { broker } = await brokerOfTest();
  const where = `--server ${broker.url}`;
  await runCommand(`publish order --count 3 ${where}`);
  for (const words of [
    "--help",
    "topology show",
    `audit --grace 0s ${where}`,
    `lag --watch --interval 20ms ${where}`,
    `replay --out - ${where}`,
    `serve payment ${where}`,
    `publish order --count 2 ${where}`,
  ]) {
    const { exitCode, stderr } = await runOn(words, { stdout: full() });
    expect([words, exitCode]).toEqual([words, 8]);
    if (!words.startsWith("serve") && !words.startsWith("replay")) expect(stderr).toMatch(noRoom);
    else expect(stderr).toContain("cannot write to standard output");
  }
  const { stderr } = await runOn(`audit --json ${where}`, { stdout: full() });
  expect(JSON.parse(stderr).data).toMatchObject({ code: "output", exitCode: 8 });
});

it.runIf(hasFull)("tells its own error although nothing can be written", async () => {
  const { broker } = await brokerOfTest();
  const ran = await runOn(`trace nobody --server ${broker.url}`, { stdout: full() });
  expect(ran.exitCode).toBe(4);
  expect(ran.stderr).toMatch(/^error: there is no stream ORDERS/);
});

it.runIf(hasFull)("is not ended by notes that cannot be written", async () => {
  const { broker } = await brokerOfTest();
  const ran = await runOn(`trace nobody --server ${broker.url}`, { stderr: full() });
  expect(ran.exitCode).toBe(4);
});

it("ends quietly with 0 and leaves nothing behind when the reader has seen enough", async () => {
  const { broker, connection } = await brokerOfTest();
  const where = `--server ${broker.url}`;
  await runCommand(`publish order --count 3000 ${where}`);
  for (const words of [`replay --out - ${where}`, `lag --watch --interval 20ms ${where}`])
    expect([words, await runOn(words, { stdout: head(2) })]).toEqual([words, { exitCode: 0, stderr: "" }]);
  const consumers = () => connection.jsm.consumers.list("ORDERS").next();
  await until(async () => (await consumers()).every(({ config }) => config.durable_name !== undefined));
});

it("keeps what the command came to when the reader has seen enough", async () => {
  const { broker } = await brokerOfTest();
  const where = `--server ${broker.url}`;
  await runCommand(`publish order --count 3 ${where}`);
  const ran = await runOn(`audit --grace 0s ${where}`, { stdout: head(1) });
  expect(ran).toEqual({ exitCode: 1, stderr: "" });
});
