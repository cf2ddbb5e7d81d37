import { type AddressInfo, createServer } from "node:net";
import { expect, it, onTestFinished } from "vitest";
import { freeze, thaw } from "../support/freeze.ts";
import { runCommand } from "../support/run-command.ts";
import { startCommand } from "../support/start-command.ts";
import { startTestBroker } from "../support/start-test-broker.ts";
import { until } from "../support/until.ts";

// What was told to stop used to wait for this answer for 30 s.
it.each([
  "serve payment",
  "up",
  "lag --timeout 30s",
])("stops `%s` while something listens and never speaks", async (words) => {
  const mute = createServer(() => {}).listen(0, "127.0.0.1");
  await new Promise((resolve) => mute.once("listening", resolve));
  const stop = new AbortController();
  mute.once("connection", () => stop.abort("SIGINT"));
  const { port } = mute.address() as AddressInfo;
  const startedAt = performance.now();
  const ran = await runCommand(`${words} -s nats://127.0.0.1:${port}`, { signal: stop.signal });
  expect(performance.now() - startedAt).toBeLessThan(5000);
  expect(ran).toMatchObject({ exitCode: 130, stdout: "" });
  mute.close();
});

// They used to wait until the connection was given up for lost, and publish for ever.
it.each([
  ["publish order --count 100k --rate 1000 --wait", 130],
  ["lag --watch --interval 50ms", 0],
  ["top --interval 50ms", 0],
])("stops `%s` while the broker hangs", async (words, exitCode) => {
  const broker = await startTestBroker();
  onTestFinished(() => broker.stop());
  const where = `--timeout 1s --server ${broker.url}`;
  expect(await runCommand(`publish order --count 10 ${where}`)).toMatchObject({ exitCode: 0 });
  const { stdout, stop } = startCommand(`${words} ${where}`);
  const hasBegun = async () =>
    words.startsWith("publish")
      ? !(await runCommand(`lag ${where}`)).stdout.includes(": 10 deliveries")
      : stdout() !== "";
  await until(hasBegun);
  await freeze(broker.pid);
  onTestFinished(() => void thaw(broker.pid));
  const startedAt = performance.now();
  const ran = await stop();
  expect(ran.exitCode).toBe(exitCode);
  expect(performance.now() - startedAt).toBeLessThan(14_000);
  if (exitCode === 130) expect(ran.stdout).toMatch(/^[\d,]+ orders stored in /);
});
