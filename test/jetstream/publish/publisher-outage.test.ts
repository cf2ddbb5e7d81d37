import { setTimeout as wait } from "node:timers/promises";
import { afterEach, describe, expect, it, onTestFinished } from "vitest";
import type { Connection } from "../../../src/jetstream/client/connection.ts";
import { Publisher } from "../../../src/jetstream/publish/publisher.ts";
import { freeze, thaw } from "../../support/freeze.ts";
import { startLameBroker, stopLamely } from "../../support/lame-duck.ts";
import { openTestConnection } from "../../support/open-test-connection.ts";
import { startTestBroker, type TestBroker } from "../../support/start-test-broker.ts";
import { until } from "../../support/until.ts";
import { countStored, createLog, textTo } from "../streams/subject-log.ts";

let broker: TestBroker;
let connection: Connection;
const notes: string[] = [];

async function open(starting: Promise<TestBroker>): Promise<void> {
  broker = await starting;
  notes.length = 0;
  connection = await openTestConnection(broker.url, {}, (text) => void notes.push(text));
  await createLog(connection, "OUT");
}

afterEach(async () => {
  await connection.close();
  await broker.stop();
});

function openPublisher(giveUpMs?: number): Publisher {
  const publisher = new Publisher(connection, giveUpMs === undefined ? {} : { giveUpMs });
  onTestFinished(() => publisher.close());
  return publisher;
}

describe("an orderly stop of the broker", () => {
  // Nobody listened for a while, and the publisher took that for a stream that is not there.
  it.for([
    "SIGUSR2",
    "SIGTERM",
  ] as const)("ends no publish that is under way, and loses none: %s", async (signal) => {
    await open(startLameBroker());
    const publisher = openPublisher();
    let isGone = false;
    const all: Promise<unknown>[] = [];
    const publishAll = async () => {
      for (let left = 50; left > 0; left -= isGone ? 1 : 0) {
        await publisher.ready();
        all.push(publisher.publish(textTo(`OUT.${all.length}`)));
        await wait(1);
      }
    };
    const writing = publishAll();
    await until(() => all.length > 50);
    await stopLamely(broker, signal);
    isGone = true;
    await until(() => publisher.isHolding);
    await broker.restart();
    await writing;
    const stored = await Promise.all(all);
    expect(stored).not.toContainEqual(expect.objectContaining({ duplicate: true }));
    expect(await countStored(connection, "OUT")).toBe(all.length);
    expect(publisher.isHolding).toBe(false);
  });
});

describe("a publish that is held", () => {
  it("is given up after its time as not stored while the broker is away", async () => {
    await open(startTestBroker());
    await broker.kill();
    await until(() => !connection.isConnected());
    const refused = openPublisher(300).publish(textTo("OUT.a"));
    await expect(refused).rejects.toMatchObject({
      code: "unavailable",
      isUncertain: false,
      message: expect.stringMatching(/OUT\.a: given up after \d+ s: the broker is away$/),
    });
    await broker.restart();
    await until(() => connection.isConnected());
    // It is not sent any more.
    await connection.nats.flush();
    expect(await countStored(connection, "OUT")).toBe(0);
  });

  it("is given up after its time as perhaps stored where the broker took it and did not answer", async () => {
    await open(startTestBroker());
    await freeze(broker.pid);
    const refused = openPublisher(300).publish(textTo("OUT.a"));
    await expect(refused).rejects.toMatchObject({
      code: "unavailable",
      isUncertain: true,
    });
    thaw(broker.pid);
  });

  it("is given up after its time also where it waits for a place in the window", async () => {
    await open(startTestBroker());
    await freeze(broker.pid);
    const publisher = new Publisher(connection, { window: 1 });
    onTestFinished(() => publisher.close());
    const first = publisher.publish(textTo("OUT.a"));
    const second = publisher.publish({ ...textTo("OUT.b"), giveUpMs: 200 });
    await expect(second).rejects.toMatchObject({ code: "unavailable" });
    thaw(broker.pid);
    expect(await first).toMatchObject({ sequence: 1 });
    expect(await countStored(connection, "OUT")).toBe(1);
  });
});

it("says that nobody stores what is published, once for all that is held, and when that is over", async () => {
  await open(startTestBroker());
  const publisher = openPublisher();
  expect(await publisher.publish(textTo("OUT.0"))).toMatchObject({ sequence: 1 });
  await connection.jsm.streams.delete("OUT");
  // The broker still knows a stream that has such subjects, and nobody listens on this one.
  await connection.jsm.streams.add({ name: "OTHER", subjects: ["OUT.other"] });
  const held = [1, 2, 3].map((index) => publisher.publish(textTo(`OUT.${index}`)));
  await until(() => notes.length > 0);
  expect(publisher.isHolding).toBe(true);
  await connection.jsm.streams.update("OTHER", { subjects: ["OUT.>"] });
  await Promise.all(held);
  await until(() => notes.length > 1);
  expect(notes).toEqual([
    expect.stringMatching(
      /^the broker stores nothing under OUT\.\d: .*; what is not stored is held and sent/,
    ),
    expect.stringMatching(/^nothing is held any more, after [\d.]+ s$/),
  ]);
});

it("says no_responders where the stream was deleted, as the broker answers that there is none", async () => {
  await open(startTestBroker());
  const publisher = openPublisher();
  await publisher.publish(textTo("OUT.0"));
  await connection.jsm.streams.delete("OUT");
  await expect(publisher.publish(textTo("OUT.1"))).rejects.toMatchObject({ code: "no_responders" });
});
