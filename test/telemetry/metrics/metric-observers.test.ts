import { describe, expect, it } from "vitest";
import type { ArchiveFigures, BreakerState, ConsumerState } from "../../../src/telemetry/metrics/metrics.ts";
import { byLabel, countsOf, openMetricWorld } from "./metric-world.ts";

const consumer = (state: Partial<ConsumerState>): ConsumerState => ({
  stream: "ORDERS",
  consumer: "payment-processor",
  pending: 0,
  ackPending: 0,
  redelivered: 0,
  oldestAgeMs: null,
  ...state,
});

describe("observed metrics", () => {
  it("show what is true now, and nothing of what is gone", async () => {
    const { metrics, samples } = openMetricWorld();
    let inFlight: Record<string, number> = { payment: 3, shipping: 0 };
    metrics.observeWorkers(() =>
      Object.fromEntries(
        Object.entries(inFlight).map(([name, count]) => [
          name,
          { processed: 0, failed: 0, duplicates: 0, inFlight: count },
        ]),
      ),
    );
    const read = async () =>
      byLabel(await samples(), "orderctl_worker_in_flight", "messaging_consumer_group_name");
    expect(await read()).toEqual({ payment: 3, shipping: 0 });
    inFlight = { shipping: 7 };
    expect(await read()).toEqual({ shipping: 7 });
  });

  it("show a consumer's backlog and the age of its oldest message, 0 without one", async () => {
    const { metrics, samples } = openMetricWorld();
    metrics.observeConsumers(async () => [
      consumer({ pending: 12, ackPending: 3, redelivered: 1, oldestAgeMs: 2500 }),
      consumer({ consumer: "shipping-booker" }),
    ]);
    const shown = await samples();
    const of = (metric: string) => byLabel(shown, metric, "messaging_consumer_group_name");
    expect(of("orderctl_consumer_pending")).toEqual({ "payment-processor": 12, "shipping-booker": 0 });
    expect(of("orderctl_consumer_ack_pending")).toEqual({ "payment-processor": 3, "shipping-booker": 0 });
    expect(of("orderctl_consumer_redelivered")).toEqual({ "payment-processor": 1, "shipping-booker": 0 });
    expect(of("orderctl_consumer_oldest_age_seconds")).toEqual({
      "payment-processor": 2.5,
      "shipping-booker": 0,
    });
  });

  it("show the size of a stream, and the dead letters", async () => {
    const { metrics, samples } = openMetricWorld();
    metrics.observeStreams(async () => ({
      streams: [{ stream: "ORDERS", messages: 6, bytes: 900 }],
      deadLetters: 0,
    }));
    const shown = await samples();
    expect(shown.get('orderctl_stream_messages{stream="ORDERS"}')).toBe(6);
    expect(shown.get('orderctl_stream_bytes{stream="ORDERS"}')).toBe(900);
    expect(shown.get("orderctl_dead_letters")).toBe(0);
  });

  it("show how far an archive is, and only the problems of one that does not know yet", async () => {
    const { metrics, samples } = openMetricWorld();
    const state = {
      ...{
        movedTo: 5000,
        movedToUs: 1_772_362_800_500_000,
        segments: 2,
        bytes: 70_000,
        behind: 12,
        lagMs: 1500,
      },
      heldBack: undefined,
    };
    let figures: ArchiveFigures = { state: undefined, problems: 1 };
    metrics.observeArchive("ORDERS", () => figures);
    const shown = async () => [...(await samples())].filter(([series]) => series.includes("_archive_"));
    expect(await shown()).toEqual([['orderctl_archive_problems{stream="ORDERS"}', 1]]);
    figures = { state, problems: 0 };
    expect(Object.fromEntries(await shown())).toEqual({
      'orderctl_archive_moved_to{stream="ORDERS"}': 5000,
      'orderctl_archive_moved_to_time_seconds{stream="ORDERS"}': 1_772_362_800.5,
      'orderctl_archive_segments{stream="ORDERS"}': 2,
      'orderctl_archive_bytes{stream="ORDERS"}': 70_000,
      'orderctl_archive_behind{stream="ORDERS"}': 12,
      'orderctl_archive_lag_seconds{stream="ORDERS"}': 1.5,
      'orderctl_archive_problems{stream="ORDERS"}': 0,
    });
    const heldBack = { consumer: "foo", forMs: 4_000_000 };
    figures = { state: { ...state, movedTo: 0, movedToUs: null, heldBack }, problems: 0 };
    const held = Object.fromEntries(await shown());
    const labels = '{stream="ORDERS",messaging_consumer_group_name="foo"}';
    expect(held[`orderctl_archive_held_back_seconds${labels}`]).toBe(4000);
    expect(held['orderctl_archive_moved_to{stream="ORDERS"}']).toBe(0);
    expect(held).not.toHaveProperty('orderctl_archive_moved_to_time_seconds{stream="ORDERS"}');
  });

  it("leave out what cannot be read, and go on with the rest", async () => {
    const { metrics, samples } = openMetricWorld();
    metrics.observeConsumers(() => Promise.reject(new Error("the broker is away")));
    metrics.observeBreaker("gateway", () => {
      throw new Error("broken");
    });
    countsOf(metrics).payment({ status: "APPROVED", reason: "" });
    const shown = await samples();
    expect(shown.get('orderctl_payments_total{outcome="approved"}')).toBe(1);
    expect([...shown.keys()].filter((series) => /consumer_pending|breaker/.test(series))).toEqual([]);
  });

  it("show a breaker only once somebody tells of one, as 0, 1 or 2", async () => {
    const { metrics, samples } = openMetricWorld();
    expect([...(await samples()).keys()].filter((series) => series.includes("breaker"))).toEqual([]);
    let state: BreakerState = "closed";
    metrics.observeBreaker("gateway", () => state);
    const shown: (number | undefined)[] = [];
    for (state of ["closed", "half-open", "open"] as const) {
      shown.push((await samples()).get('orderctl_breaker_state{breaker="gateway"}'));
    }
    expect(shown).toEqual([0, 1, 2]);
  });
});
