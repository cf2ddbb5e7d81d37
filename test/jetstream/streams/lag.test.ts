import { describe, expect, it } from "vitest";
import { isOlder } from "../../../src/core/compare-versions.ts";
import { readLag } from "../../../src/jetstream/streams/lag.ts";
import { until } from "../../support/until.ts";
import { lagWorld } from "./lag-world.ts";

const { connectionOf, createStream, publish, take, lagOf } = lagWorld();

describe("readLag", () => {
  it("counts what the consumer's filter matches, delivered or not", async () => {
    const consumer = await createStream("COUNTS");
    await publish("COUNTS.a", 5);
    await publish("COUNTS.b", 50);
    await take(consumer, 1);
    await consumer.next();
    await consumer.next();
    expect(await lagOf("COUNTS")).toMatchObject({
      consumer: "reader",
      pending: 2,
      ackPending: 2,
      redelivered: 0,
    });
  });

  it("counts what came again", async () => {
    const consumer = await createStream("AGAIN");
    await publish("AGAIN.a", 2);
    (await consumer.next())?.nak();
    await until(async () => ((await consumer.next({ expires: 1000 }))?.info.redeliveryCount ?? 0) > 1);
    expect(await lagOf("AGAIN")).toMatchObject({ redelivered: 1 });
  });

  it("tells the age of the oldest message that the filter matches and nobody acknowledged", async () => {
    const consumer = await createStream("AGES");
    await publish("AGES.a", 1);
    await publish("AGES.b", 1);
    await take(consumer, 1);
    const early = Date.now();
    await until(() => Date.now() > early + 500);
    const before = Date.now();
    await publish("AGES.a", 1);
    const after = Date.now();
    await consumer.next();
    const lag = await lagOf("AGES");
    expect(lag?.oldestAgeMs).toBeLessThanOrEqual(Date.now() - before + 1);
    expect(lag?.oldestAgeMs).toBeGreaterThanOrEqual(0);
    await until(() => Date.now() > after + 300);
    expect((await lagOf("AGES"))?.oldestAgeMs).toBeGreaterThanOrEqual(300);
  });

  it("knows no age and has nothing to drain where everything is acknowledged", async () => {
    const consumer = await createStream("DONE");
    await publish("DONE.a", 1);
    await take(consumer, 1);
    expect(await lagOf("DONE")).toMatchObject({ pending: 0, ackPending: 0, oldestAgeMs: null, drainS: 0 });
  });

  it("lists all consumers by name, more than one page of them", async () => {
    await connectionOf().jsm.streams.add({ name: "MANY", subjects: ["MANY"] });
    const names = Array.from({ length: 300 }, (_, index) => `c${String(index).padStart(3, "0")}`);
    const add = (durable_name: string) =>
      connectionOf().jsm.consumers.add("MANY", { durable_name, ack_policy: "explicit" as never });
    await Promise.all(names.toReversed().map(add));
    const { consumers } = await readLag(connectionOf(), { stream: "MANY", intervalMs: 1 });
    expect(consumers.map(({ consumer }) => consumer)).toEqual(names);
  });

  it("asks for no pull where messages are pushed, and says whether anybody listens", async () => {
    await createStream("PUSHES");
    const { jsm, nats } = connectionOf();
    await jsm.consumers.delete("PUSHES", "reader");
    const config = { durable_name: "pushed", deliver_subject: "deliver.pushes", ack_policy: "explicit" };
    await jsm.consumers.add("PUSHES", config as never);
    await publish("PUSHES.a", 2);
    expect(await lagOf("PUSHES")).toMatchObject({
      ...{ mode: "push", bound: false, waiting: null, pending: 2, state: "unbound" },
      reasons: ["nobody listens on deliver.pushes"],
    });
    const subscription = nats.subscribe("deliver.pushes", { callback: () => {} });
    await until(async () => (await lagOf("PUSHES"))?.pending === 0);
    expect(await lagOf("PUSHES")).toMatchObject({
      ...{ mode: "push", bound: true, waiting: null, ackPending: 2, state: "waiting", reasons: [] },
    });
    subscription.unsubscribe();
  });

  it("says until when a consumer is paused", async ({ skip }) => {
    await createStream("PAUSED");
    const { jsm, version } = connectionOf();
    if (isOlder(version, "2.11.0")) skip("this nats-server pauses no consumers");
    await publish("PAUSED.a", 1);
    const end = new Date(Date.now() + 60_000);
    await jsm.consumers.pause("PAUSED", "reader", end);
    const paused = await lagOf("PAUSED");
    expect(paused).toMatchObject({ state: "paused", pending: 1 });
    expect(Date.parse(paused?.pausedUntil ?? "")).toBe(end.getTime());
    await jsm.consumers.resume("PAUSED", "reader");
    expect(await lagOf("PAUSED")).toMatchObject({ state: "abandoned", pausedUntil: null });
  });

  it("tells which settings keep messages, or their content, from whoever asks for them", async () => {
    await createStream("SETTINGS");
    const { jsm, nats } = connectionOf();
    const config = { durable_name: "reader", ack_policy: "explicit", filter_subject: "SETTINGS.a" };
    await jsm.consumers.delete("SETTINGS", "reader");
    const odd = { ...config, headers_only: true, max_deliver: 1, ack_wait: 100_000_000 };
    await jsm.consumers.add("SETTINGS", odd as never);
    await publish("SETTINGS.a", 2);
    const headersOnly = "it delivers headers without payloads (headers_only)";
    expect((await lagOf("SETTINGS"))?.reasons).toEqual([headersOnly]);
    const consumer = await nats.jetstream().consumers.get("SETTINGS", "reader");
    await consumer.next();
    const startedAt = performance.now();
    await until(() => performance.now() - startedAt > 500);
    await (await consumer.next())?.ackAck();
    const { ack_floor, delivered } = await jsm.consumers.info("SETTINGS", "reader");
    // Some servers count what was given up on as done once all others are.
    const isKnown = ack_floor.consumer_seq < delivered.consumer_seq;
    const givenUp = isKnown ? ["messages were given up after 1 delivery (max_deliver)"] : [];
    expect((await lagOf("SETTINGS"))?.reasons).toEqual([headersOnly, ...givenUp]);
  });

  it("leaves out the readers that go with their processes, where it is asked to", async () => {
    await createStream("READERS");
    const { jsm } = connectionOf();
    await jsm.consumers.add("READERS", { name: "passing", ack_policy: "none" } as never);
    const namesOf = async (durableOnly: boolean) => {
      const lag = await readLag(connectionOf(), { stream: "READERS", intervalMs: 0, durableOnly });
      return lag.consumers.map(({ consumer }) => consumer);
    };
    expect(await namesOf(false)).toEqual(["passing", "reader"]);
    expect(await namesOf(true)).toEqual(["reader"]);
  });

  it("rejects with not_found for an unknown stream", async () => {
    await expect(lagOf("NOPE")).rejects.toMatchObject({
      code: "not_found",
      message: expect.stringContaining("NOPE"),
    });
  });

  it("ends between its samples when it is interrupted", async () => {
    await createStream("STOPPED");
    const controller = new AbortController();
    const reading = readLag(connectionOf(), {
      stream: "STOPPED",
      intervalMs: 60_000,
      signal: controller.signal,
    });
    controller.abort();
    await expect(reading).rejects.toMatchObject({ name: "AbortError" });
  });
});
