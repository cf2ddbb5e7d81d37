import { stripVTControlCharacters } from "node:util";
import { expect, it } from "vitest";
import type { RunningServices } from "../../src/flow/run-services.ts";
import type { LogLag } from "../../src/lag/log-lag.ts";
import { upView } from "../../src/up/command.ts";

const lag: LogLag = {
  stream: "ORDERS",
  sampledAt: "2026-03-01T12:01:05.000Z",
  intervalMs: 1000,
  clock: { aheadMs: 0, errorMs: 0 },
  consumers: [],
  archive: null,
};
const serving = {
  services: ["payment"],
  broker: "127.0.0.1:4222",
  brokerVersion: "2.11.0",
  instance: "vm-1",
  url: null,
  metricsUrl: null,
  spansTo: null,
};
const services = { serving, told: "payments booked in /tmp/ledger" } as unknown as RunningServices;
const view = (width: number, sample?: LogLag) =>
  upView(services)(sample, { colour: true, width, unicode: true });

it("says what is served, and the lag below once it is known", () => {
  expect(stripVTControlCharacters(view(200))).toMatch(/^serving payment on [^\n]* - stop with Ctrl-C$/);
  expect(view(200, lag)).toMatch(/Ctrl-C.*\n\nORDERS has no consumers/);
  const cost = { events: 9, bytes: 900, ramBytes: 5000, ramBytesPerS: null, full: null };
  const archive = { sampledAt: lag.sampledAt, archiver: null, problems: [], cost };
  const told = view(200, { ...lag, archive: archive as LogLag["archive"] });
  expect(told).toMatch(/ORDERS has no consumers.*\n\n.*nobody archives the log: 9 events/s);
});

it("wraps what is served, so that nothing of it is lost on a narrow terminal", () => {
  const lines = stripVTControlCharacters(view(40)).split("\n");
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(40);
  expect(lines.join(" ")).toContain("payments booked in /tmp/ledger - stop with Ctrl-C");
});
