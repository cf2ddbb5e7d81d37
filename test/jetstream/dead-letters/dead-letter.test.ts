import { headers as createHeaders } from "nats";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ErrorCode, type ErrorSource, OrderctlError } from "../../../src/core/errors.ts";
import type { Connection } from "../../../src/jetstream/client/connection.ts";
import { readLast } from "../../../src/jetstream/streams/read-message.ts";
import { openTestConnection } from "../../support/open-test-connection.ts";
import { startTestBroker, type TestBroker } from "../../support/start-test-broker.ts";
import { until } from "../../support/until.ts";
import { createQueue, startWorker } from "../../support/work-queue.ts";
import { createLog, textTo } from "../streams/subject-log.ts";
import { createDeadLetters } from "./dead-letter-world.ts";

let broker: TestBroker;
let connection: Connection;

beforeAll(async () => {
  broker = await startTestBroker();
  connection = await openTestConnection(broker.url);
});

afterAll(async () => {
  await connection.close();
  await broker.stop();
});

const failWith = (code: ErrorCode, text = "no good", source?: ErrorSource) => {
  throw new OrderctlError(code, text, { source });
};

const badMessage = (text?: string) => failWith("bad_message", text, "message");

describe("a message that fails again and again", () => {
  const failing = async ({ sequence }: { sequence: number }) => {
    if (sequence === 1) throw new Error("the shop is closed");
    return undefined;
  };

  it("is tried on where no other one succeeds, which may be an outage", async () => {
    const queue = await createQueue(connection, "ALONE", { count: 1 });
    const { rule, kept } = await createDeadLetters(connection, "ALONE");
    const deadLetters = { ...rule, patienceMs: 600_000 };
    const worker = startWorker({ connection, stream: "ALONE", deadLetters, backoffMs: 5 }, failing);
    await until(() => worker.counts.failed > 2 * rule.maxAttempts);
    expect(await kept()).toEqual([]);
    // Once another one succeeds, the fault is its own.
    await connection.nats.jetstream().publish("ALONE.other", "x");
    await until(() => queue.isDone());
    expect(await kept()).toMatchObject([{ mark: { detail: "the shop is closed" } }]);
  });

  it("is tried no longer than it is given time for", async () => {
    const queue = await createQueue(connection, "SHORT", { count: 1 });
    const { rule, kept } = await createDeadLetters(connection, "SHORT");
    const deadLetters = { ...rule, patienceMs: 300 };
    const worker = startWorker({ connection, stream: "SHORT", deadLetters, backoffMs: 5 }, failing);
    await until(() => queue.isDone());
    expect(worker.counts.failed).toBeGreaterThan(rule.maxAttempts);
    expect(await kept()).toHaveLength(1);
  });
});

describe("a message that can never be handled", () => {
  it("is copied with its headers and the reason at the first attempt, and never delivered again", async () => {
    const queue = await createQueue(connection, "BAD", { ackWaitMs: 1000 });
    const { rule, kept } = await createDeadLetters(connection, "BAD");
    const headers = createHeaders();
    headers.set("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    headers.set("Nats-Msg-Id", "mine");
    const bytes = Uint8Array.from([0, 255, 13, 10, 1]);
    await connection.nats.jetstream().publish("BAD.a", bytes, { headers });
    const settled: string[] = [];
    const notes: string[] = [];
    const note = (text: string) => notes.push(text);
    const options = { connection, stream: "BAD", deadLetters: rule, note };
    startWorker(options, async (delivery) => {
      delivery.watch = {
        stored: () => {},
        failed: () => {},
        settled: (how) => settled.push(how),
        labels: () => ({}),
      };
      return badMessage(`line one\r\nNats-Rollup: all\n${"x".repeat(600)}`);
    });
    await until(() => queue.isDone());
    const [letter, ...more] = await kept();
    expect(more).toEqual([]);
    expect(letter?.message.subject).toBe("BADDEAD.BAD-a");
    expect(Buffer.from(letter?.message.payload ?? []).equals(Buffer.from(bytes))).toBe(true);
    expect(letter?.message.header("traceparent")).toContain("0af7651916cd43dd8448eb211c80319c");
    expect(letter?.message.header("Original-Nats-Msg-Id")).toBe("mine");
    expect(letter?.message.header("Nats-Msg-Id")).toBeUndefined();
    expect(letter?.mark).toMatchObject({
      reason: "bad_message",
      attempts: 1,
      consumer: "worker",
      service: "tester",
      instance: "box-1",
      origin: { stream: "BAD", subject: "BAD.a", sequence: 1 },
    });
    expect(letter?.mark.detail).toMatch(/^line one Nats-Rollup: all x+$/);
    expect(letter?.mark.detail).toHaveLength(500);
    expect(settled).toEqual(["term"]);
    expect(notes).toEqual([expect.stringMatching(/^worker: dead letter: BAD\.a .*bad_message: line one/)]);
  });

  it("is one dead letter although its worker died between the copy and the termination", async () => {
    const queue = await createQueue(connection, "TWICE", { count: 1, ackWaitMs: 500 });
    const { rule, kept } = await createDeadLetters(connection, "TWICE");
    const dying = await openTestConnection(broker.url);
    const options = { stream: "TWICE", deadLetters: rule };
    const { frames } = dying;
    const writeTo = frames.writeTo.bind(frames);
    // As a crash there would: the answer never leaves the process.
    frames.writeTo = (subject, payload) =>
      Buffer.from(payload).toString() === "+TERM" ? undefined : writeTo(subject, payload);
    const first = startWorker({ ...options, connection: dying }, async () => badMessage());
    await until(async () => (await kept()).length === 1);
    await until(() => first.counts.inFlight === 0);
    await dying.nats.close();
    expect(await queue.isDone()).toBe(false);
    const second = startWorker({ ...options, connection }, async () => badMessage());
    await until(() => queue.isDone());
    expect(second.counts.failed).toBe(1);
    expect(await kept()).toHaveLength(1);
  });

  it("is kept once for each consumer and each event, also under one subject", async () => {
    const queue = await createQueue(connection, "SAME", { count: 40 });
    const { rule, kept } = await createDeadLetters(connection, "SAME");
    const deadLetters = { ...rule, subjectFor: () => "SAMEDEAD.all" };
    startWorker({ connection, stream: "SAME", deadLetters }, async () =>
      failWith("unprocessable", "no", "message"),
    );
    await until(() => queue.isDone(), 30_000);
    const sequences = (await kept()).map(({ mark }) => mark.origin.sequence);
    expect(sequences.sort((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, index) => index + 1));
  });

  it("is kept without its payload where there is no room for both", async () => {
    const queue = await createQueue(connection, "LARGE");
    const { rule, kept } = await createDeadLetters(connection, "LARGE");
    const largest = new Uint8Array(connection.nats.info?.max_payload ?? 0);
    await connection.nats.jetstream().publish("LARGE.a", largest);
    startWorker({ connection, stream: "LARGE", deadLetters: rule }, async () => badMessage());
    await until(() => queue.isDone());
    const [letter] = await kept();
    expect(letter?.mark.omittedBytes).toBe(largest.length);
    expect(letter?.message.payload).toHaveLength(0);
  });
});

describe("a message that fails", () => {
  it("is given up on at the last attempt, with the last reason", async () => {
    const queue = await createQueue(connection, "LAST", { count: 1 });
    const { rule, kept } = await createDeadLetters(connection, "LAST", 3);
    const attempts: number[] = [];
    startWorker({ connection, stream: "LAST", deadLetters: rule }, async ({ attempt }) => {
      attempts.push(attempt);
      return failWith("timeout", `try ${attempt}`);
    });
    await until(() => queue.isDone());
    expect(attempts).toEqual([1, 2, 3]);
    expect((await kept())[0]?.mark).toMatchObject({ reason: "timeout", detail: "try 3", attempts: 3 });
  });

  it("is given up on at once where what it led to is too large for the broker", async () => {
    const queue = await createQueue(connection, "HUGE", { count: 1 });
    const { rule, kept } = await createDeadLetters(connection, "HUGE");
    await createLog(connection, "HUGEOUT");
    const payload = new Uint8Array((connection.nats.info?.max_payload ?? 0) + 1);
    startWorker({ connection, stream: "HUGE", deadLetters: rule }, async () => ({
      subject: "HUGEOUT.a",
      payload,
    }));
    await until(() => queue.isDone());
    expect((await kept())[0]?.mark).toMatchObject({ reason: "too_large", attempts: 1 });
  });

  it("never is where it is the broker that fails: nobody stores, or the stream is full", async () => {
    const queue = await createQueue(connection, "OUTAGE", { count: 4 });
    const { rule, kept } = await createDeadLetters(connection, "OUTAGE", 1);
    const options = { connection, stream: "OUTAGE", deadLetters: rule, backoffMs: 10 };
    const worker = startWorker(options, async ({ sequence }) => textTo(`OUTAGEOUT.${sequence}`));
    await until(() => worker.counts.failed >= 8);
    await createLog(connection, "OUTAGEOUT", { max_msgs: 1 });
    await until(() => worker.counts.failed >= 20, 20_000);
    expect(await kept()).toEqual([]);
    await connection.jsm.streams.update("OUTAGEOUT", { max_msgs: 10 });
    await until(() => queue.isDone(), 20_000);
    expect(await kept()).toEqual([]);
  });

  // Whoever set such a limit on the log used to make a dead letter of every order under way.
  it("never is where a stream takes no message of that size, by a limit that somebody set", async () => {
    const queue = await createQueue(connection, "LIMITED", { count: 3 });
    const { rule, kept } = await createDeadLetters(connection, "LIMITED", 1);
    await createLog(connection, "LIMITEDOUT", { max_msg_size: 10 });
    const options = { connection, stream: "LIMITED", deadLetters: rule, backoffMs: 10 };
    const worker = startWorker(options, async ({ sequence }) =>
      textTo(`LIMITEDOUT.${sequence}`, "x".repeat(20)),
    );
    await until(() => worker.counts.failed >= 9);
    expect(await kept()).toEqual([]);
    await connection.jsm.streams.update("LIMITEDOUT", { max_msg_size: -1 });
    await until(() => queue.isDone());
    expect(await kept()).toEqual([]);
  });

  it("never is where the handler's own questions to the broker fail, or while the worker is paused", async () => {
    await createQueue(connection, "ASKING", { count: 2 });
    const { rule, kept } = await createDeadLetters(connection, "ASKING", 1);
    const nowhere = await openTestConnection(broker.url, { timeoutMs: 1 });
    await nowhere.nats.close();
    let paused = false;
    const options = { connection, stream: "ASKING", deadLetters: rule, backoffMs: 10 };
    const worker = startWorker({ ...options, isPaused: () => paused }, async ({ sequence }) => {
      if (sequence === 1) await readLast(nowhere, "ORDERS", "ORDERS.a");
      paused = true;
      return failWith("timeout");
    });
    await until(() => worker.counts.failed >= 2);
    expect(await kept()).toEqual([]);
    paused = false;
    await until(() => worker.counts.failed >= 3);
    expect((await kept()).filter(({ mark }) => mark.origin.sequence === 1)).toEqual([]);
  });

  // One stock entry written by hand used to make a dead letter of every paid order of its SKU, at the first failure.
  it.each<[ErrorSource, ErrorCode]>([
    ["store", "bad_message"],
    ["broker", "internal"],
    ["broker", "too_large"],
  ])("never is where the %s is at fault, whatever the code (%s)", async (source, code) => {
    const stream = `FAULT-${source}-${code}`;
    const queue = await createQueue(connection, stream, { count: 2 });
    const { rule, kept } = await createDeadLetters(connection, stream, 1);
    let broken = true;
    const options = { connection, stream, deadLetters: rule, backoffMs: 10 };
    const worker = startWorker(options, async () => (broken ? failWith(code, "torn", source) : undefined));
    await until(() => worker.counts.failed >= 6);
    broken = false;
    await until(() => queue.isDone());
    expect(await kept()).toEqual([]);
  });

  it("is told once for each cause where a store is at fault, and as over when that works again", async () => {
    const queue = await createQueue(connection, "TORN", { count: 30 });
    const { rule } = await createDeadLetters(connection, "TORN");
    const notes: string[] = [];
    const note = (text: string) => notes.push(text);
    let broken = true;
    const options = { connection, stream: "TORN", deadLetters: rule, backoffMs: 10, note };
    const worker = startWorker(options, async ({ sequence }) =>
      broken && sequence > 20 ? failWith("bad_message", "the stock of MUG is torn", "store") : undefined,
    );
    await until(() => worker.counts.failed >= 40);
    expect(worker.counts.processed).toBe(20);
    expect(worker.problems).toEqual([{ text: "the stock of MUG is torn", forMs: expect.any(Number) }]);
    expect(notes).toEqual(["worker: the stock of MUG is torn"]);
    broken = false;
    await until(() => queue.isDone());
    await until(() => worker.problems.length === 0);
    expect(notes).toHaveLength(2);
  });

  it("stays until it can be copied: without room for the copy it comes again", async () => {
    const queue = await createQueue(connection, "FULL", { count: 3 });
    const { rule, kept } = await createDeadLetters(connection, "FULL");
    await connection.jsm.streams.update("FULLDEAD", { max_msgs: 1 });
    const options = { connection, stream: "FULL", deadLetters: rule, backoffMs: 10 };
    const worker = startWorker(options, async () => badMessage());
    await until(() => worker.counts.failed >= 6);
    expect(await queue.isDone()).toBe(false);
    await connection.jsm.streams.update("FULLDEAD", { max_msgs: 100 });
    await until(() => queue.isDone(), 20_000);
    expect(await kept()).toHaveLength(3);
  });
});
