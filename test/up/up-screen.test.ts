import { PassThrough } from "node:stream";
import { stripVTControlCharacters } from "node:util";
import { expect, it } from "vitest";
import type { StreamLag } from "../../src/jetstream/streams/lag.ts";
import { openUpScreen } from "../../src/up/up-screen.tsx";
import { until } from "../support/until.ts";

const lag: StreamLag = {
  stream: "ORDERS",
  sampledAt: "2026-03-01T12:01:05.000Z",
  intervalMs: 1000,
  clock: { aheadMs: 0, errorMs: 0 },
  consumers: [],
};

it("keeps the last figures, dimmed, below a line that says since when they are old", async () => {
  const stdout = Object.assign(new PassThrough(), { isTTY: true, columns: 80, rows: 24 });
  let shown = "";
  stdout.on("data", (chunk) => {
    shown += chunk;
  });
  const screen = openUpScreen(stdout, () => ({ colour: true, width: 80, unicode: true }));
  screen.update({ lag });
  await until(() => shown.includes("ORDERS has no consumers"));
  screen.update({ stale: "nothing new since 12:01:05, for 3.0 s: the broker is away" });
  await until(() => shown.includes("the broker is away"));
  await until(() => shown.includes("\u001b[2mORDERS has no consumers\u001b[22m"));
  const [, after = ""] = stripVTControlCharacters(shown).split("the broker is away");
  expect(after).toContain("ORDERS has no consumers");
  screen.update({ stale: undefined });
  screen.close();
});

it("shows lines of the log in their colours, and nothing of others that acts on the terminal", async () => {
  const stdout = Object.assign(new PassThrough(), { isTTY: true, columns: 80, rows: 24 });
  let shown = "";
  stdout.on("data", (chunk) => {
    shown += chunk;
  });
  const screen = openUpScreen(stdout, () => ({ colour: true, width: 80, unicode: true }));
  screen.note("\u001b[33mWARN\u001b[39m lost the broker");
  screen.update({ stale: "waits for \u001b]0;title\u0007" });
  await until(() => shown.includes("\u001b[33mWARN\u001b[39m lost the broker"));
  await until(() => shown.includes("waits for ?]0;title?"));
  screen.close();
});
