import { describe, expect, it } from "vitest";
import { lagWorld } from "./lag-world.ts";

const { connectionOf, createStream, publish, take, readLagWhile } = lagWorld();

describe("the rates of readLag", () => {
  it("computes the rates in and out, and when the backlog is gone", async () => {
    const consumer = await createStream("SHRINKS");
    await publish("SHRINKS.a", 100);
    const lag = await readLagWhile("SHRINKS", async () => {
      await take(consumer, 20);
      await publish("SHRINKS.a", 10);
      await publish("SHRINKS.b", 30);
    });
    const { inPerS, outPerS, drainS } = lag ?? {};
    expect(lag).toMatchObject({ pending: 90, ackPending: 0 });
    expect(Number(outPerS)).toBeGreaterThan(5);
    expect(Number(outPerS)).toBeLessThanOrEqual(20 / 0.6);
    expect(Number(outPerS) / Number(inPerS)).toBeCloseTo(2);
    expect(drainS).toBeCloseTo(90 / (Number(outPerS) - Number(inPerS)));
  });

  it("counts what is acknowledged behind a message that somebody holds, or held and died", async () => {
    const consumer = await createStream("HELD");
    await publish("HELD.a", 100);
    await consumer.next();
    const lag = await readLagWhile("HELD", () => take(consumer, 20));
    expect(lag).toMatchObject({ pending: 79, ackPending: 1, inPerS: 0 });
    // The ack floor stands still at the first message: by it nothing would have gone out.
    expect(Number(lag?.outPerS)).toBeGreaterThan(5);
  });

  it("counts what is acknowledged beside a message that waits for its next delivery", async () => {
    const consumer = await createStream("BACKOFF");
    await publish("BACKOFF.a", 1);
    (await consumer.next())?.nak();
    (await consumer.next())?.nak(60_000);
    await publish("BACKOFF.a", 20);
    const lag = await readLagWhile("BACKOFF", () => take(consumer, 20));
    expect(lag).toMatchObject({ pending: 0, ackPending: 1, redelivered: 1, inPerS: 0 });
    expect(Number(lag?.outPerS)).toBeGreaterThan(5);
  });

  it("counts no second delivery as work done", async () => {
    const consumer = await createStream("RETRIED");
    await publish("RETRIED.a", 1);
    const lag = await readLagWhile("RETRIED", async () => {
      for (let time = 0; time < 5; time += 1) (await consumer.next({ expires: 2000 }))?.nak();
    });
    expect(lag).toMatchObject({ inPerS: 0, outPerS: 0 });
  });

  it("counts what came again and is acknowledged", async () => {
    const consumer = await createStream("SETTLED");
    await publish("SETTLED.a", 1);
    (await consumer.next())?.nak();
    const lag = await readLagWhile("SETTLED", () => take(consumer, 1));
    expect(lag).toMatchObject({ ackPending: 0, inPerS: 0 });
    expect(Number(lag?.outPerS)).toBeGreaterThan(0);
  });

  it("knows no rates of a consumer that was made anew between the samples", async () => {
    const consumer = await createStream("ANEW");
    await publish("ANEW.a", 30);
    await take(consumer, 20);
    const lag = await readLagWhile("ANEW", async () => {
      const { config } = await connectionOf().jsm.consumers.info("ANEW", "reader");
      await connectionOf().jsm.consumers.delete("ANEW", "reader");
      await connectionOf().jsm.consumers.add("ANEW", config);
    });
    expect(lag).toMatchObject({ pending: 30, inPerS: null, outPerS: null, drainS: null });
  });

  it("says of a backlog that grows that it is never gone", async () => {
    const consumer = await createStream("GROWS");
    await publish("GROWS.a", 10);
    const lag = await readLagWhile("GROWS", async () => {
      await take(consumer, 2);
      await publish("GROWS.a", 20);
    });
    expect(Number(lag?.inPerS)).toBeGreaterThan(Number(lag?.outPerS));
    expect(lag?.drainS).toBeNull();
  });

  it("knows no rates of a consumer that came between the samples", async () => {
    await connectionOf().jsm.streams.add({ name: "NEW", subjects: ["NEW"] });
    await publish("NEW", 3);
    const lag = await readLagWhile("NEW", async () => {
      await connectionOf().jsm.consumers.add("NEW", {
        durable_name: "late",
        ack_policy: "explicit" as never,
      });
    });
    expect(lag).toMatchObject({ consumer: "late", pending: 3, inPerS: null, outPerS: null, drainS: null });
  });
});
