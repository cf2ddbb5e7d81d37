import type { Msg } from "nats";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import type { Connection } from "../../../src/jetstream/client/connection.ts";
import { Publisher, type PublisherOptions } from "../../../src/jetstream/publish/publisher.ts";
import { readLast } from "../../../src/jetstream/streams/read-message.ts";
import { openTestConnection } from "../../support/open-test-connection.ts";
import { startTestBroker, type TestBroker } from "../../support/start-test-broker.ts";
import { until } from "../../support/until.ts";
import { countStored, createLog, textTo } from "../streams/subject-log.ts";

let broker: TestBroker;
let connection: Connection;
let counter = 0;

beforeAll(async () => {
  broker = await startTestBroker();
  connection = await openTestConnection(broker.url);
});

afterAll(async () => {
  await connection.close();
  await broker.stop();
});

function openPublisher(options: PublisherOptions = {}, on = connection): Publisher {
  const publisher = new Publisher(on, { backoffMs: 10, ...options });
  onTestFinished(() => publisher.close());
  return publisher;
}

/** A stream of the test's own; answers its name. */
async function createOwnLog(settings: Record<string, unknown> = {}): Promise<string> {
  counter += 1;
  const name = `LOG${counter}`;
  await createLog(connection, name, settings);
  return name;
}

/** Answers nothing by itself: what is published on `subject` lies in `held` until the test answers it. */
function holdAnswers(subject: string): Msg[] {
  const held: Msg[] = [];
  const subscription = connection.nats.subscribe(subject, { callback: (_, message) => held.push(message) });
  onTestFinished(() => subscription.unsubscribe());
  return held;
}

const ack = (sequence: number) => JSON.stringify({ stream: "NONE", seq: sequence });

describe("publish", () => {
  it("resolves with the sequence under which the stream holds the message and its headers", async () => {
    const log = await createOwnLog();
    const publisher = openPublisher();
    const headers = { traceparent: "00-1-2-01" };
    const first = await publisher.publish({ ...textTo(`${log}.a`, "one"), headers });
    const second = await publisher.publish(textTo(`${log}.b`, "two"));
    expect([first, second]).toEqual([
      { sequence: 1, duplicate: false },
      { sequence: 2, duplicate: false },
    ]);
    const stored = await readLast(connection, log, `${log}.a`);
    expect(Buffer.from(stored?.payload ?? []).toString()).toBe("one");
    expect(stored?.header("traceparent")).toBe("00-1-2-01");
  });

  it("answers a second event of a subject with the first one, which stays", async () => {
    const log = await createOwnLog();
    const publisher = openPublisher();
    await publisher.publish(textTo(`${log}.before`));
    await publisher.publish(textTo(`${log}.a`, "first"));
    const again = await publisher.publish(textTo(`${log}.a`, "second"));
    expect(again).toMatchObject({ sequence: 2, duplicate: true });
    expect(Buffer.from(again.existing ?? []).toString()).toBe("first");
    expect(await countStored(connection, log)).toBe(2);
  });

  it("takes a message with the same content that was there before for a duplicate as well", async () => {
    const log = await createOwnLog();
    await openPublisher().publish(textTo(`${log}.a`, "same"));
    const again = await openPublisher().publish(textTo(`${log}.a`, "same"));
    expect(again).toMatchObject({ sequence: 1, duplicate: true });
  });

  it("does not take a sequence for an error number whose digits it contains", async () => {
    const held = holdAnswers("DIGITS.a");
    const stored = openPublisher().publish(textTo("DIGITS.a"));
    await until(() => held.length === 1);
    held[0]?.respond(ack(10077));
    expect(await stored).toEqual({ sequence: 10_077, duplicate: false });
  });

  /** What becomes of a message that is sent again, after a lost connection, and refused as a second one. */
  async function refusedAtSecondSend(log: string, headers: Record<string, string>) {
    const own = await openTestConnection(broker.url);
    onTestFinished(() => own.close());
    const held = holdAnswers(`${log}.a`);
    const stored = openPublisher({}, own).publish({ ...textTo(`${log}.a`, "same"), headers });
    await until(async () => held.length === 1 && (await countStored(connection, log)) === 1);
    await own.nats.reconnect();
    await until(() => held.length === 2);
    const refused = { code: 503, err_code: 10077, description: "maximum messages per subject exceeded" };
    held[1]?.respond(JSON.stringify({ error: refused, stream: log }));
    return stored;
  }

  it("takes its own message, which it sent again after a lost connection, for no duplicate", async () => {
    const log = await createOwnLog({ no_ack: true });
    expect(await refusedAtSecondSend(log, { sender: "own" })).toEqual({ sequence: 1, duplicate: false });
  });

  // Taken for its own, `publish` counted as stored what an earlier run had stored.
  it("takes another's message with the same content for a duplicate, also when it has sent its own again", async () => {
    const log = await createOwnLog({ no_ack: true });
    const anothers = { ...textTo(`${log}.a`, "same"), headers: { sender: "another" } };
    void openPublisher()
      .publish(anothers)
      .catch(() => undefined);
    await until(async () => (await countStored(connection, log)) === 1);
    expect(await refusedAtSecondSend(log, { sender: "own" })).toMatchObject({ sequence: 1, duplicate: true });
  });
});

describe("the window", () => {
  it("never holds more messages than it has places", async () => {
    const held = holdAnswers("WIN.*");
    const publisher = openPublisher({ window: 8 });
    const all = Promise.all(
      Array.from({ length: 40 }, (_, index) => publisher.publish(textTo(`WIN.${index}`))),
    );
    for (let round = 1; round <= 5; round += 1) {
      await until(() => held.length >= 8);
      // Whatever was sent beyond the window would be here after two round trips.
      await connection.nats.flush();
      await connection.nats.flush();
      expect(held.length).toBe(8);
      for (const message of held.splice(0)) message.respond(ack(round));
    }
    expect(await all).toHaveLength(40);
  });

  it("is ready as soon as one place is free, and drained when none is taken", async () => {
    const held = holdAnswers("READY.*");
    const publisher = openPublisher({ window: 2 });
    await publisher.ready();
    const seen: string[] = [];
    const both = ["a", "b"].map((name) => publisher.publish(textTo(`READY.${name}`)));
    expect(publisher.isFull).toBe(true);
    const ready = publisher.ready().then(() => seen.push("ready"));
    const drained = publisher.drain().then(() => seen.push("drained"));
    await until(() => held.length === 2);
    expect(seen).toEqual([]);
    held[0]?.respond(ack(1));
    await ready;
    expect(publisher.isFull).toBe(false);
    expect(seen).toEqual(["ready"]);
    held[1]?.respond(ack(2));
    await drained;
    await Promise.all(both);
  });
});

describe("close", () => {
  it("rejects what is not acknowledged, also what waits for a place", async () => {
    holdAnswers("CLOSE.*");
    const publisher = openPublisher({ window: 1 });
    const outcomes = Promise.allSettled(["a", "b"].map((name) => publisher.publish(textTo(`CLOSE.${name}`))));
    publisher.close();
    const failures = (await outcomes).map((outcome) => outcome.status === "rejected" && outcome.reason);
    expect(failures).toEqual([
      expect.objectContaining({ code: "interrupted", message: expect.stringContaining("CLOSE.a") }),
      expect.objectContaining({ code: "interrupted", message: expect.stringContaining("CLOSE.b") }),
    ]);
  });

  it("lets nobody wait for ever who publishes afterwards", async () => {
    const publisher = openPublisher();
    publisher.close();
    await expect(publisher.publish(textTo("CLOSE.late"))).rejects.toMatchObject({ code: "interrupted" });
  }, 5000);
});

describe("a fence", () => {
  it("holds a message until it opens", async () => {
    const log = await createOwnLog();
    const publisher = openPublisher();
    let passes: "wait" | "open" = "wait";
    let asked = 0;
    const fence = () => {
      asked += 1;
      return passes;
    };
    const publishing = publisher.publish({ ...textTo(`${log}.a`, "one"), fence });
    await until(() => asked > 2);
    expect(await countStored(connection, log)).toBe(0);
    passes = "open";
    expect(await publishing).toEqual({ sequence: 1, duplicate: false });
  });

  it("that closes keeps a message from being sent again, which then may be stored or not", async () => {
    const publisher = openPublisher({ ackWaitMs: 50 });
    const held = holdAnswers("fenced.a");
    const fence = () => (held.length === 0 ? "open" : Promise.resolve("closed" as const));
    await expect(publisher.publish({ ...textTo("fenced.a", "one"), fence })).rejects.toMatchObject({
      code: "unavailable",
      source: "broker",
      isUncertain: true,
      message: "cannot store fenced.a: it comes too late",
    });
    expect(held).toHaveLength(1);
  });

  it("that knows where a message is stored settles it", async () => {
    const stored = { sequence: 7, duplicate: true, existing: new Uint8Array([1]) };
    const publication = { ...textTo("fenced.b", "one"), fence: () => Promise.resolve(stored) };
    expect(await openPublisher().publish(publication)).toEqual(stored);
  });
});
