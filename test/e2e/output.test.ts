import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { brokerOfTest } from "../support/broker-of-test.ts";
import { runCommand } from "../support/run-command.ts";

const binary = resolve("bin/orderctl.js");

/** A shell command line in which `orderctl` is the binary; its exit code and what it said. */
async function shell(line: string): Promise<{ exitCode: number | null; stdout: string; stderr: string }> {
  const orderctl = `orderctl() { '${process.execPath}' '${binary}' "$@"; }`;
  const child = spawn("bash", ["-c", `set -o pipefail; ${orderctl}; ${line}`], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const texts = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk) => (texts.stdout += chunk));
  child.stderr.on("data", (chunk) => (texts.stderr += chunk));
  await once(child, "close");
  return { exitCode: child.exitCode, ...texts };
}

async function filledBroker(orders: number) {
  const { broker, connection } = await brokerOfTest();
  const ran = await runCommand(`publish order --count ${orders} --server ${broker.url}`);
  expect(ran.exitCode).toBe(0);
  const names = async () => {
    const found: string[] = [];
    for await (const { name } of connection.jsm.consumers.list("ORDERS")) found.push(name);
    return found;
  };
  return { url: broker.url, names, before: await names() };
}

describe("a command whose output cannot be written", () => {
  // It used to leave one for five minutes, which `lag` showed as somebody who is behind.
  it("removes its consumer where the reader has seen enough, and that is no error", async () => {
    const { url, names, before } = await filledBroker(50_000);
    const { exitCode, stdout, stderr } = await shell(`orderctl replay --out - --server ${url} | head -n 1`);
    expect({ exitCode, stderr, lines: stdout.split("\n").length }).toEqual({
      exitCode: 0,
      stderr: "",
      lines: 2,
    });
    expect(await names()).toEqual(before);
  });

  it.skipIf(process.platform !== "linux")("removes its consumer where the disk is full, too", async () => {
    const { url, names, before } = await filledBroker(50_000);
    const { exitCode, stderr } = await shell(`orderctl replay --out - --server ${url} > /dev/full`);
    expect({ exitCode, stderr }).toEqual({ exitCode: 8, stderr: expect.stringContaining("ENOSPC") });
    expect(await names()).toEqual(before);
  });

  // The command that goes on used to continue behind half a line.
  it("leaves a file of whole lines, and tells the command that adds the rest", async () => {
    const dir = mkdtempSync(join(tmpdir(), "orderctl-full-"));
    onTestFinished(() => rmSync(dir, { recursive: true }));
    const file = join(dir, "orders.ndjson");
    const { url } = await filledBroker(20_000);
    // No file may be longer than 2 MB.
    const full = await shell(`trap '' XFSZ; ulimit -f 2048; orderctl replay --out ${file} --server ${url}`);
    expect(full).toMatchObject({
      exitCode: 8,
      stderr: expect.stringContaining(`cannot write ${file}: EFBIG`),
    });
    const [, command] = /^go on with: (.*)$/m.exec(full.stdout) ?? [];
    const half = readFileSync(file, "utf8");
    expect(half.endsWith("\n")).toBe(true);
    const rest = await shell(command ?? "");
    expect(rest).toMatchObject({ exitCode: 0, stderr: "" });
    const ids = readFileSync(file, "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line).order_id);
    expect([ids.length, new Set(ids).size]).toEqual([20_000, 20_000]);
  });
});
