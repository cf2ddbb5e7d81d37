import { headers as createHeaders } from "nats";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { isOlder } from "../../../src/core/compare-versions.ts";
import type { Connection } from "../../../src/jetstream/client/connection.ts";
import { deadLetterHeader, encodeMark } from "../../../src/jetstream/dead-letters/dead-letter.ts";
import { deleteMessage } from "../../../src/jetstream/dead-letters/dead-letter-store.ts";
import { KeptCopies } from "../../../src/jetstream/dead-letters/kept-copies.ts";
import { openTestConnection } from "../../support/open-test-connection.ts";
import { startTestBroker, type TestBroker } from "../../support/start-test-broker.ts";
import { createLog } from "../streams/subject-log.ts";

let broker: TestBroker;
let connection: Connection;
let copies: KeptCopies;

const stream = "COPIES";
const subject = "COPIES.all";

beforeAll(async () => {
  broker = await startTestBroker();
  connection = await openTestConnection(broker.url);
});

afterAll(async () => {
  await connection.close();
  await broker.stop();
});

beforeEach(async () => {
  await connection.jsm.streams.delete(stream).catch(() => undefined);
  await createLog(connection, stream, { max_msgs_per_subject: -1, discard_new_per_subject: false });
  copies = new KeptCopies(connection, { stream, prefix: "LOG/worker/", limit: 4 });
});

async function store(delivery: string, under = subject): Promise<void> {
  const origin = { stream: "LOG", subject: "LOG.a", sequence: 1, storedAtUs: 1 };
  const mark = { delivery, reason: "timeout", detail: "", attempts: 1, origin, atUs: 1 } as const;
  const who = {
    consumer: "worker",
    service: "tester",
    instance: "box-1",
    redriveOf: null,
    omittedBytes: null,
  };
  const headers = createHeaders();
  headers.set(deadLetterHeader, encodeMark({ ...mark, ...who }));
  await connection.nats.jetstream().publish(under, "payload", { headers });
}

const looked = async (under = subject) => {
  const { lastSequence, deliveries } = await copies.look(under);
  return [lastSequence, ...deliveries];
};

/** How many messages the broker is asked for meanwhile. */
async function asked(work: () => Promise<unknown>): Promise<number> {
  let count = 0;
  const heard = connection.nats.subscribe(`$JS.API.STREAM.MSG.GET.${stream}`, {
    callback: () => {
      count += 1;
    },
  });
  await work();
  await connection.nats.flush();
  heard.unsubscribe();
  return count;
}

it("knows the copies that a subject holds, of its own deliveries", async () => {
  expect(await looked()).toEqual([0]);
  await store("LOG/worker/1");
  await store("LOG/other/1");
  expect(await looked()).toEqual([2, "LOG/worker/1"]);
  await store("LOG/worker/2");
  expect(await looked()).toEqual([3, "LOG/worker/1", "LOG/worker/2"]);
});

it("asks for no message twice", async () => {
  for (let n = 0; n < 30; n += 1) await store("LOG/other/1");
  expect(await asked(() => looked())).toBeGreaterThan(30);
  expect(await asked(() => looked())).toBe(1);
  await store("LOG/other/1");
  expect(await asked(() => looked())).toBeLessThan(5);
});

it("reads everything anew where the last it saw is gone", async ({ skip }) => {
  if (isOlder(connection.version, "2.10.0"))
    skip("this nats-server forgets the others of a subject whose last message is deleted");
  for (const n of [1, 2]) await store(`LOG/worker/${n}`);
  expect(await looked()).toEqual([2, "LOG/worker/1", "LOG/worker/2"]);
  await deleteMessage(connection, stream, 2);
  expect(await looked()).toEqual([1, "LOG/worker/1"]);
});

it("forgets what it looked at the longest ago, and reads that again", async () => {
  for (const n of [1, 2, 3]) await store(`LOG/worker/${n}`);
  await looked();
  await looked("COPIES.other");
  expect(await asked(() => looked())).toBe(5);
  expect(await looked()).toEqual([3, "LOG/worker/1", "LOG/worker/2", "LOG/worker/3"]);
});

it("lets one at a time work on a subject, also behind one that failed", async () => {
  const steps: string[] = [];
  const step = (name: string, error?: Error) => async () => {
    steps.push(`${name} begins`);
    await connection.nats.flush();
    steps.push(`${name} ends`);
    if (error) throw error;
  };
  const failed = copies.inTurn(subject, step("first", new Error("no")));
  const second = copies.inTurn(subject, step("second"));
  await expect(failed).rejects.toThrow("no");
  await second;
  expect(steps).toEqual(["first begins", "first ends", "second begins", "second ends"]);
});
