import { type AddressInfo, createServer } from "node:net";
import { expect, it } from "vitest";
import { runCommand } from "../run-command.ts";

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
