import { expect, it } from "vitest";
import type { ProcessStatus } from "../../src/flow/process-status.ts";
import type { StreamLag } from "../../src/jetstream/streams/lag.ts";
import { GoneProcesses, withGone } from "../../src/top/gone-processes.ts";

const startMs = Date.parse("2026-03-01T12:00:00.000Z");

/** After so many seconds, with so many deliveries that are not acknowledged. */
const lagAt = (seconds: number, ackPending: number) =>
  ({
    stream: "ORDERS",
    sampledAt: new Date(startMs + seconds * 1000).toISOString(),
    intervalMs: 1000,
    clock: { aheadMs: 0, errorMs: 0 },
    consumers: [{ consumer: "payment-processor", ackPending, ackWaitMs: 30_000, state: "keeps_up" }],
  }) as unknown as StreamLag;

const till = (instance: string, inFlight: number, startedAt = "a"): ProcessStatus => ({
  ...{ instance, version: "1.0.0", services: ["payment"], startedAt, uptimeMs: 0, stopping: false },
  ...{ problems: [], breakers: [], ordersUrl: null, metricsUrl: null, spansTo: null, archive: null },
  workers: [{ consumer: "payment-processor", processed: 0, failed: 0, duplicates: 0, inFlight }],
});

it("takes nobody for gone who answers late once", () => {
  const processes = new GoneProcesses();
  const two = [till("one", 5), till("two", 5)];
  expect(processes.add(lagAt(0, 10), two)).toEqual([]);
  expect(processes.add(lagAt(1, 10), [till("one", 5)])).toEqual([]);
  expect(processes.add(lagAt(2, 10), two)).toEqual([]);
  expect(processes.add(lagAt(3, 10), [till("one", 5)])).toEqual([]);
  expect(processes.add(lagAt(4, 10), [till("one", 5)])).toMatchObject([
    { instance: "two", goneMs: 2000, lastSeenAt: "2026-03-01T12:00:02.000Z" },
  ]);
});

it("counts what it holds by the least that fits, and no longer than until it comes again", () => {
  const processes = new GoneProcesses();
  processes.add(lagAt(0, 20), [till("one", 5), till("two", 9)]);
  processes.add(lagAt(1, 20), [till("one", 5)]);
  const held = () => processes.add(lagAt(2, 12), [till("one", 5)])[0];
  expect(held()).toMatchObject({ holds: 7, held: { "payment-processor": 7 } });
  expect(held()?.comesAgainBy).toBe("2026-03-01T12:00:31.000Z");
  // The other one has more to do meanwhile: that makes it no more.
  expect(processes.add(lagAt(3, 30), [till("one", 5)])).toMatchObject([{ holds: 7 }]);
  expect(processes.add(lagAt(32, 30), [till("one", 5)])).toMatchObject([{ holds: 0, comesAgainBy: null }]);
});

it("takes one that was started anew under its name for another", () => {
  const processes = new GoneProcesses();
  processes.add(lagAt(0, 4), [till("one", 4)]);
  processes.add(lagAt(1, 4), [till("one", 0, "b")]);
  expect(processes.add(lagAt(2, 4), [till("one", 0, "b")])).toMatchObject([
    { instance: "one", startedAt: "a", holds: 4 },
  ]);
});

it("forgets who has been gone for long", () => {
  const processes = new GoneProcesses();
  processes.add(lagAt(0, 0), [till("one", 0)]);
  processes.add(lagAt(1, 0), []);
  expect(processes.add(lagAt(290, 0), [])).toMatchObject([{ instance: "one", holds: 0 }]);
  expect(processes.add(lagAt(301, 0), [])).toEqual([]);
});

it("makes a consumer a held one for as long as somebody who is gone holds some of it", () => {
  const processes = new GoneProcesses();
  processes.add(lagAt(0, 6), [till("one", 6)]);
  processes.add(lagAt(1, 6), []);
  const lag = lagAt(2, 6);
  const [payment] = withGone(lag, processes.add(lag, [])).consumers;
  expect(payment).toMatchObject({ state: "held", unclaimed: 6, comesAgainBy: "2026-03-01T12:00:31.000Z" });
  const later = lagAt(40, 0);
  expect(withGone(later, processes.add(later, [])).consumers).toMatchObject([{ state: "keeps_up" }]);
});
