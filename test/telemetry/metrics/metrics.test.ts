import { beforeEach, describe, expect, it } from "vitest";
import { durationBounds } from "../../../src/telemetry/metrics/metric-ledger.ts";
import { byLabel, countsOf, type MetricWorld, openMetricWorld } from "./metric-world.ts";

const station = { service: "payment", consumer: "payment-processor", template: "ORDERS.created.{order_id}" };
const destination = { service: "payment", template: "ORDERS.payments.{order_id}" };

const work =
  '{orderctl_service="payment",messaging_consumer_group_name="payment-processor",messaging_destination_template="ORDERS.created.{order_id}"';
const operation = (name: string, type: string) =>
  `,messaging_system_name="nats",messaging_operation_name="${name}",messaging_operation_type="${type}"`;
const publish = `{orderctl_service="payment",messaging_destination_template="ORDERS.payments.{order_id}"${operation("publish", "send")}`;

let world: MetricWorld;

beforeEach(() => {
  world = openMetricWorld();
});

describe("metrics", () => {
  it("tell how long deliveries waited and how long the work took, failures apart", async () => {
    const { received, processed, settled } = world.metrics.consumer(station);
    received(40);
    processed(3, undefined);
    settled("ack");
    received(1000);
    processed(7, "timeout");
    settled("nak");
    const samples = await world.samples();
    const process = `${work}${operation("process", "process")}`;
    expect(
      samples.get(`messaging_client_consumed_messages_total${work}${operation("receive", "receive")}}`),
    ).toBe(2);
    expect(samples.get(`orderctl_delivery_wait_seconds_sum${work}}`)).toBeCloseTo(1.04);
    expect(samples.get(`orderctl_delivery_wait_seconds_bucket${work},le="0.04"}`)).toBe(1);
    expect(samples.get(`orderctl_delivery_wait_seconds_bucket${work},le="0.5"}`)).toBe(1);
    expect(samples.get(`orderctl_delivery_wait_seconds_bucket${work},le="+Inf"}`)).toBe(2);
    expect(samples.get(`messaging_process_duration_seconds_count${process}}`)).toBe(1);
    expect(samples.get(`messaging_process_duration_seconds_sum${process},error_type="timeout"}`)).toBe(0.007);
    expect(samples.get(`orderctl_retries_total${work}}`)).toBe(1);
  });

  it("tell of each destination what was stored, what was there already and what failed", async () => {
    const { stored, failed } = world.metrics.destination(destination);
    stored(2, false);
    stored(2, false);
    stored(1, true);
    failed(5000, "stream_full");
    const samples = await world.samples();
    const sent = "messaging_client_sent_messages_total";
    expect(samples.get(`${sent}${publish}}`)).toBe(2);
    expect(samples.get(`${sent}${publish},nats_publish_duplicate="true"}`)).toBe(1);
    expect(samples.get(`${sent}${publish},error_type="stream_full"}`)).toBe(1);
    const took = "messaging_client_operation_duration_seconds";
    expect(samples.get(`${took}_sum${publish}}`)).toBeCloseTo(0.005);
    expect(samples.get(`${took}_bucket${publish},error_type="stream_full",le="5"}`)).toBe(1);
    expect(samples.get(`${took}_bucket${publish},error_type="stream_full",le="2.5"}`)).toBe(0);
  });

  it("are one series where two stations publish to the same destination", async () => {
    world.metrics.destination(destination).stored(1, false);
    world.metrics.destination({ ...destination }).stored(1, false);
    const samples = await world.samples();
    expect(samples.get(`messaging_client_sent_messages_total${publish}}`)).toBe(2);
  });

  it("show no destination that nothing was ever sent to, and the retries of a station before the first", async () => {
    world.metrics.destination(destination);
    world.metrics.consumer(station);
    const samples = await world.samples();
    expect([...samples.keys()].filter((series) => series.includes("sent_messages"))).toEqual([]);
    expect(samples.get(`orderctl_retries_total${work}}`)).toBe(0);
  });

  it("count payments by outcome, and those declined by reason", async () => {
    const { payment } = countsOf(world.metrics);
    payment({ status: "APPROVED", reason: "" });
    payment({ status: "APPROVED", reason: "ignored" });
    payment({ status: "DECLINED", reason: "insufficient_funds" });
    payment({ status: "DECLINED", reason: "card expired on 12/24" });
    const samples = await world.samples();
    expect(samples.get('orderctl_payments_total{outcome="approved"}')).toBe(2);
    expect(samples.get('orderctl_payments_total{outcome="declined",reason="insufficient_funds"}')).toBe(1);
    expect(samples.get('orderctl_payments_total{outcome="declined",reason="other"}')).toBe(1);
  });

  it("take no more than fifty reasons from a gateway that invents one for each payment", async () => {
    for (let index = 0; index < 1000; index += 1) {
      countsOf(world.metrics).payment({ status: "DECLINED", reason: `reason_${index}` });
    }
    const reasons = byLabel(await world.samples(), "orderctl_payments_total", "reason");
    expect(Object.keys(reasons)).toHaveLength(51);
    expect(reasons.other).toBe(950);
  });

  it("tell how orders ended and, where it is known, how long they took", async () => {
    countsOf(world.metrics).orderEnded("SHIPPED", 45);
    countsOf(world.metrics).orderEnded("SHIPPED", undefined);
    const samples = await world.samples();
    expect(samples.get('orderctl_orders_ended_total{outcome="shipped"}')).toBe(2);
    expect(samples.get('orderctl_order_duration_seconds_count{outcome="shipped"}')).toBe(1);
    expect(samples.get('orderctl_order_duration_seconds_bucket{outcome="shipped",le="0.05"}')).toBe(1);
    expect(samples.get('orderctl_order_duration_seconds_bucket{outcome="shipped",le="0.04"}')).toBe(0);
  });

  it("measure the calls of the gateway, failed ones apart", async () => {
    countsOf(world.metrics).gatewayCall({ operation: "charge", durationMs: 20 });
    countsOf(world.metrics).gatewayCall({ operation: "charge", durationMs: 3000, errorType: "unavailable" });
    const samples = await world.samples();
    const calls = "orderctl_gateway_duration_seconds_count";
    expect(samples.get(`${calls}{operation="charge"}`)).toBe(1);
    expect(samples.get(`${calls}{operation="charge",error_type="unavailable"}`)).toBe(1);
  });

  it("take a delivery that came before it was stored, by two clocks, as one that did not wait", async () => {
    const { received } = world.metrics.consumer(station);
    received(-20);
    received(Number.NaN);
    const samples = await world.samples();
    expect(samples.get(`orderctl_delivery_wait_seconds_sum${work}}`)).toBe(0);
    expect(samples.get(`orderctl_delivery_wait_seconds_count${work}}`)).toBe(1);
  });

  it("resolve what is just under 50 ms from what is just above", () => {
    expect(durationBounds).toContain(0.05);
    expect(durationBounds.filter((bound) => bound > 0.025 && bound < 0.08)).toEqual([
      0.03, 0.04, 0.05, 0.075,
    ]);
  });
});
