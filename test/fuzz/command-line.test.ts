import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { exitCodes } from "../../src/core/errors.ts";
import { type Ran, runCommand } from "../support/run-command.ts";
import { size } from "../support/size.ts";
import { startTestBroker, type TestBroker } from "../support/start-test-broker.ts";
import { commandLines } from "./command-words.ts";

const numRuns = size({ short: 100, long: 3000 });
const documented = new Set([0, ...Object.values(exitCodes)]);
/** What runs until it is stopped is told to, and what takes its time as well. */
const patienceMs = 100;
const hangMs = 20_000;

let broker: TestBroker;
let folder: string;
let home: NodeJS.ProcessEnv;
const before = process.cwd();

/** The runtime warns on the real stderr: of timers that are too long, of listeners that leak. */
const warnings: Error[] = [];
const onWarning = (warning: Error) => void warnings.push(warning);

beforeAll(async () => {
  process.on("warning", onWarning);
  broker = await startTestBroker();
  folder = await mkdtemp(join(tmpdir(), "orderctl-fuzz-"));
  // Files that a command writes under a hostile name stay in here.
  process.chdir(folder);
  home = {
    HOME: folder,
    XDG_STATE_HOME: folder,
    XDG_CACHE_HOME: folder,
    XDG_DATA_HOME: folder,
    ORDERCTL_NATS_SERVER: process.env.ORDERCTL_NATS_SERVER,
    PATH: process.env.PATH,
  };
});

afterAll(async () => {
  await runCommand("broker stop", { env: home });
  process.off("warning", onWarning);
  process.chdir(before);
  await rm(folder, { recursive: true, force: true });
  await broker.stop();
});

/** Rejects where the command does not end though it was told to. */
async function runLine(argv: string[], env: NodeJS.ProcessEnv): Promise<Ran> {
  const stop = new AbortController();
  const telling = setTimeout(() => stop.abort("SIGINT"), patienceMs);
  let hanging: NodeJS.Timeout | undefined;
  const hang = new Promise<never>((_, reject) => {
    hanging = setTimeout(() => reject(new Error(`does not end: ${JSON.stringify(argv)}`)), hangMs);
  });
  try {
    return await Promise.race([runCommand(argv, { env: { ...home, ...env }, signal: stop.signal }), hang]);
  } finally {
    clearTimeout(telling);
    clearTimeout(hanging);
  }
}

const logLine = /^\{"level":"(?:info|warn)",.*\}$/;
const note = /^(?!error: )\S.*$/;

/** What is told of a failure: notes or log lines, then the error in a line, and its hint. */
function expectOneError({ exitCode, stderr }: Ran, argv: string[]): void {
  const isJson = argv.includes("--json");
  const lines = stderr.split("\n").filter((line) => line !== "" && !logLine.test(line));
  if (isJson) {
    const last = JSON.parse(lines.at(-1) ?? "");
    expect(last).toMatchObject({
      kind: "error",
      version: 1,
      data: { exitCode, message: expect.any(String) },
    });
    return;
  }
  const at = lines.findIndex((line) => line.startsWith("error: "));
  expect(at, stderr).toBeGreaterThanOrEqual(0);
  expect(lines.slice(at + 1).filter((line) => !line.startsWith("  "))).toEqual([]);
  expect(lines.length - at, stderr).toBeLessThanOrEqual(2);
  for (const line of lines.slice(0, at)) expect(line).toMatch(note);
}

/** Exit codes with which a command says “no” on stdout, and that is its result. */
const ownNo = new Map([
  ["audit", 1],
  ["lag", 1],
  ["topology", 1],
  ["publish", 6],
  ["demo", 1],
]);

/** Commands that tell on stdout what they do while they do it, and may fail after that. */
const telling = new Set(["demo", "up", "serve", "collect", "publish", "replay", "bench", "status"]);
/** Those among them that learn late of a mistake: that a place to listen on or a file to read cannot be had. */
const late = new Set(["demo", "up", "serve", "collect", "publish", "status"]);

function expectContract(ran: Ran, argv: string[]): void {
  const { exitCode, stdout, stderr } = ran;
  expect(documented, stderr).toContain(exitCode);
  expect(stdout + stderr).not.toMatch(/^\s+at .+:\d+:\d+\)?$/m);
  expect(stderr).not.toMatch(/\bnode:internal|TypeError|RangeError|Cannot read prop|is not a function/);
  if (exitCode === 0) return;
  const isHelp = stderr.includes("Usage: orderctl") && exitCode === 2;
  const saysNo = argv.some((word) => ownNo.get(word) === exitCode) && !/^error: /m.test(stderr);
  if (!isHelp && !saysNo) expectOneError(ran, argv);
  const tellers = exitCode === exitCodes.usage ? late : telling;
  const mayTell = saysNo || argv.some((word) => tellers.has(word));
  if (!mayTell) expect(stdout).toBe("");
}

describe("any command line", () => {
  it.each([
    ["that cannot be reached", () => "nats://127.0.0.1:1"],
    ["that answers", () => broker.url],
  ])("ends with a documented exit code and says why in a line, with a broker %s", async (_what, url) => {
    const env = { NATS_URL: url() };
    const property = fc.asyncProperty(await commandLines(), async (argv) => {
      expectContract(await runLine(argv, env), argv);
      expect(warnings.splice(0).map(String)).toEqual([]);
    });
    await fc.assert(property, { numRuns });
  });
});
