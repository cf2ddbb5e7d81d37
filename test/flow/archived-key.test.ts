import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { readKey, takenBy } from "../../src/flow/key-log.ts";
import { readEvent, readMessage } from "../../src/flow/log-message.ts";
import type { OrderEvent } from "../../src/orders/events.ts";
import { event, ways } from "../orders/order-log.ts";
import { brokerOfTest } from "../support/broker-of-test.ts";
import { type LogWriter, openLogWriter } from "../support/log-writer.ts";
import { MemoryArchive } from "../support/memory-archive.ts";

let archive: MemoryArchive;
let writer: LogWriter;

beforeEach(async () => {
  const { connection } = await brokerOfTest();
  writer = await openLogWriter(connection);
  onTestFinished(() => writer.close());
  archive = new MemoryArchive(connection);
});

const kinds = ["created", "payments", "reservations", "shipments", "notifications"];

const read = async (key = "o-1") => {
  const { events, falseMessages } = await readKey(archive.log, key);
  return { events: events.map(({ kind, sequence }) => [sequence, kind]), falseMessages };
};

const whole = { events: kinds.map((kind, index) => [index + 1, kind]), falseMessages: [] };

describe("a key", () => {
  it.each([
    0, 1, 2, 4, 5,
  ])("is read whole, each event once, where %d of its events are archived", async (to) => {
    await writer.store(...ways.SHIPPED("o-1"));
    if (to > 0) await archive.moveTo(to);
    expect(await read()).toEqual(whole);
    await archive.purge();
    expect(await read()).toEqual(whole);
  });

  it("has what was moved between the reads of stream and archive", async () => {
    await writer.store(...ways.SHIPPED("o-1"));
    const { readKey: look } = archive;
    // What the archive holds counts as of the moment at which it is asked, after the stream.
    archive.readKey = async (key) => {
      await archive.moveAndPurge(3);
      archive.readKey = look;
      return archive.readKey(key);
    };
    expect(await read()).toEqual(whole);
  });

  it("is unknown where neither has it, also while the archive is away", async () => {
    await writer.store(...ways.SHIPPED("o-1"), event("created", "o-2"));
    await archive.moveAndPurge(5);
    archive.isAway = true;
    expect(await read("o-3")).toEqual({ events: [], falseMessages: [] });
    expect(await read("o-2")).toMatchObject({ events: [[6, "created"]] });
  });

  it("is not known where its archived part cannot be read", async () => {
    await writer.store(...ways.SHIPPED("o-1"));
    await archive.moveAndPurge(2);
    archive.isAway = true;
    await expect(read()).rejects.toMatchObject({ code: "unavailable", source: "store" });
  });
});

describe("an event that is stored again", () => {
  it.each<[string, OrderEvent, number]>([
    ["in the stream", event("created", "o-1", { customerId: "c-2" }), 5],
    ["before the others were archived", event("payments", "o-1", { chargeId: "ch-2" }), 2],
  ])("is a repeat, %s", async (_, again, movedTo) => {
    await writer.store(...ways.SHIPPED("o-1"));
    await archive.moveAndPurge(movedTo);
    await writer.store(again);
    const { events, falseMessages } = await read();
    expect(events).toEqual(whole.events);
    const first = kinds.indexOf(again.kind) + 1;
    const repeat = { sequence: 6, repeatOf: first, isArchived: false };
    expect(falseMessages).toMatchObject([
      { ...repeat, fault: `it is a repeat of archived message ${first}` },
    ]);
    expect(takenBy(falseMessages[0] as never, "conflict").hint).toBe(
      `there is nothing to do: message ${first} counts`,
    );
    await archive.moveAndPurge(6);
    expect(await read()).toMatchObject({
      events: whole.events,
      falseMessages: [{ ...repeat, isArchived: true }],
    });
  });

  it("is the event where what is archived before it is none", async () => {
    await writer.store(event("created", "o-1"));
    await writer.storeBytes("ORDERS.payments.o-1", "x");
    await archive.moveAndPurge(2);
    await writer.store(event("payments", "o-1"));
    const { events, falseMessages } = await read();
    expect(events).toEqual([
      [1, "created"],
      [3, "payments"],
    ]);
    expect(falseMessages).toMatchObject([{ sequence: 2, repeatOf: null, isArchived: true }]);
    expect(takenBy(falseMessages[0] as never, "bad_message").hint).toMatch(/^it is archived, so it stays/);
  });

  it("is the event where what is archived before it was stored too early", async () => {
    await writer.store(event("payments", "o-1"), event("created", "o-1"));
    await archive.moveAndPurge(2);
    await writer.store(event("payments", "o-1"));
    expect((await read()).events).toEqual([
      [2, "created"],
      [3, "payments"],
    ]);
  });
});

describe("one event", () => {
  it("is that of the archive, of two", async () => {
    await writer.store(event("created", "o-1", { customerId: "first" }));
    await archive.moveAndPurge(1);
    expect(await readEvent(archive.log, "created", "o-1")).toMatchObject({ sequence: 1 });
    await writer.store(event("created", "o-1", { customerId: "second" }));
    expect(await readEvent(archive.log, "created", "o-1")).toMatchObject({ sequence: 1 });
    expect(await readEvent(archive.log, "payments", "o-1")).toBeUndefined();
  });

  it("is found by its sequence wherever it is, and only there", async () => {
    await writer.store(...ways.SHIPPED("o-1"));
    await archive.moveTo(2);
    expect(await readMessage(archive.log, 2)).toMatchObject({ subject: "ORDERS.payments.o-1" });
    await archive.purge();
    expect(await readMessage(archive.log, 2)).toMatchObject({ subject: "ORDERS.payments.o-1" });
    expect(await readMessage(archive.log, 3)).toMatchObject({ subject: "ORDERS.reservations.o-1" });
    expect(await readMessage(archive.log, 6)).toBeUndefined();
    archive.isAway = true;
    await expect(readMessage(archive.log, 2)).rejects.toMatchObject({ code: "unavailable" });
    expect(await readMessage(archive.log, 3)).toMatchObject({ sequence: 3 });
  });
});
