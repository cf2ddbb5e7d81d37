import { describe, expect, it } from "vitest";
import { readLag } from "../../src/jetstream/lag.ts";
import { until } from "../until.ts";
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
