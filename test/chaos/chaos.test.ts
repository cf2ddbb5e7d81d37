import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it, onTestFinished } from "vitest";
import { until } from "../support/until.ts";
import { type ChaosOptions, planOf, runChaos } from "./run-chaos.ts";

const run = promisify(execFile);

/**
 * Twenty seconds of it. What a killed worker held comes again soon, so that the end is near. With this seed the stream
 * is full for 2 s while nothing else keeps publishers from noticing it.
 */
const short = { flow: "orders", seed: 16, orders: 4000, rate: 200, kills: 5, ackWaitMs: 4000 } as const;

/** The command lines of all processes. */
const processes = async (): Promise<string[]> =>
  (await run("ps", ["-A", "-ww", "-o", "args"])).stdout.split("\n");

async function readAll({ stdout }: ChildProcess, onText: (text: string) => void): Promise<void> {
  let text = "";
  for await (const chunk of stdout ?? []) {
    text += chunk;
    onText(text);
  }
}

const title = "npm run chaos";
describe.skipIf(process.platform === "win32")(
  `${title} (skipped on Windows, which freezes no process)`,
  () => {
    /** Checks that no promise was broken, and none over nothing. */
    async function survive(options: ChaosOptions) {
      const lines: string[] = [];
      const { signal } = new AbortController();
      const summary = await runChaos(options, { print: (line) => void lines.push(line), signal });
      const told = lines.join("\n");
      const { findings } = summary;
      expect(
        findings.flatMap(({ broken }) => broken),
        told,
      ).toEqual([]);
      expect(
        findings.filter(({ checked }) => checked === 0),
        told,
      ).toEqual([]);
      expect(lines.at(-1)).toBe("PASS");
      expect(summary).toMatchObject({ keys: options.orders, ends: [] });
      expect(summary.run.poisoned.size).toBe(10);
      // Work was taken over from the dead, or this would have shown nothing.
      expect(summary.redelivered).toBeGreaterThan(0);
      return { summary, lines };
    }

    it("loses no order and charges none twice, whatever is done to the system", async () => {
      const { summary, lines } = await survive(short);
      // The full stream was noticed, or this would have shown nothing.
      expect([...summary.run.givenUp.keys()]).toContain("stream_full");
      expect(new Set(summary.faults.map(({ kind }) => kind)).size).toBe(14);
      const timed = lines.filter((line) => /^ +\d+:\d\d\.\d {2}/.test(line));
      expect(timed.length).toBeGreaterThanOrEqual(summary.faults.length + 2);
    }, 180_000);

    it("loses no claim of a flow of one's own and pays none twice, with its bank away for a third of the time", async () => {
      const { summary } = await survive({ ...short, flow: "claims", orders: 2000, rate: 100 });
      expect(summary.faults).toContainEqual(
        expect.objectContaining({ kind: "outage", target: "gateway", forMs: 20_000 / 3 }),
      );
    }, 180_000);

    it("plans the same for the same seed", () => {
      const planned = { ...short, absenceMs: 0 };
      expect(planOf(planned)).toEqual(planOf({ ...planned }));
      expect(planOf({ ...planned, seed: 17 }).faults).not.toEqual(planOf(planned).faults);
    });

    it("is built by its script, and tells what it can do", async () => {
      const { stdout } = await run("npm", ["run", "--silent", "chaos", "--", "--help"]);
      expect(stdout).toContain("--seed");
      expect(stdout).toContain("130 interrupted");
    });

    it("leaves neither process nor data when it is interrupted", async () => {
      const folder = await mkdtemp(join(tmpdir(), "orderctl-test-"));
      onTestFinished(() => rm(folder, { recursive: true, force: true }));
      await run("npm", ["run", "--silent", "chaos", "--", "--help"]);
      const words = "--minutes 1 --rate 50 --seed 7 --kills 60 --ack-wait 4s".split(" ");
      const env = { ...process.env, TMPDIR: folder };
      const child = spawn(process.execPath, [".chaos/test/chaos/main.js", ...words], { env });
      const ended = once(child, "close");
      let told = "";
      const reading = readAll(child, (text) => {
        told = text;
      });
      await until(() => told.includes("SIGSTOP"), 60_000);
      const port = /--gateway-port (\d+)/.exec(
        (await processes()).find((line) => line.includes(folder) && line.includes("--gateway-port")) ?? "",
      )?.[1];
      const ours = (line: string) => line.includes(folder) || line.includes(`127.0.0.1:${port}`);
      expect((await processes()).filter(ours).length).toBeGreaterThanOrEqual(4);
      child.kill("SIGINT");
      expect(await ended).toEqual([130, null]);
      await reading;
      expect(told.trimEnd().split("\n").at(-1)).toBe("interrupted");
      expect(await readdir(folder)).toEqual([]);
      expect((await processes()).filter(ours)).toEqual([]);
    }, 120_000);
  },
);
