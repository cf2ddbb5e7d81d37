import { afterAll, beforeAll, expect, it } from "vitest";
import type { Connection } from "../../../src/jetstream/client/connection.ts";
import type { StoredMessage } from "../../../src/jetstream/streams/read-message.ts";
import { countSubjects, readSubject } from "../../../src/jetstream/streams/read-subject.ts";
import { openTestConnection } from "../../support/open-test-connection.ts";
import { startTestBroker, type TestBroker } from "../../support/start-test-broker.ts";

let broker: TestBroker;
let connection: Connection;

beforeAll(async () => {
  broker = await startTestBroker();
  connection = await openTestConnection(broker.url);
  await connection.jsm.streams.add({ name: "LOG", subjects: ["LOG.>"] });
  for (let n = 0; n < 200; n++) {
    await connection.nats.jetstream().publish("LOG.often", String(n));
    if (n % 50 === 0) await connection.nats.jetstream().publish("LOG.seldom", String(n));
  }
});

afterAll(async () => {
  await connection.close();
  await broker.stop();
});

async function readAll(subject: string, from?: number): Promise<StoredMessage[]> {
  const found: StoredMessage[] = [];
  await readSubject(
    connection,
    { stream: "LOG", subject, ...(from !== undefined && { from }) },
    (message) => {
      found.push(message);
    },
  );
  return found;
}

const read = async (subject: string, from?: number) =>
  (await readAll(subject, from)).map(({ payload }) => Buffer.from(payload).toString());

it("reads every message of a subject in their order, few or many", async () => {
  expect(await read("LOG.seldom")).toEqual(["0", "50", "100", "150"]);
  expect(await read("LOG.often")).toEqual(Array.from({ length: 200 }, (_, n) => String(n)));
  expect(await read("LOG.never")).toEqual([]);
});

it("begins where it is told, few or many", async () => {
  expect(await read("LOG.seldom", 3)).toEqual(["50", "100", "150"]);
  expect(await read("LOG.often", 2)).toEqual(Array.from({ length: 199 }, (_, n) => String(n + 1)));
  expect(await read("LOG.often", 10_000)).toEqual([]);
});

it("reads sequence and time with each", async () => {
  const [first] = await readAll("LOG.seldom");
  expect(first).toMatchObject({ subject: "LOG.seldom", sequence: 2 });
  expect(Math.abs((first?.storedAtUs ?? 0) / 1000 - Date.now())).toBeLessThan(60_000);
});

it("counts the subjects of a stream", async () => {
  expect(await countSubjects(connection, "LOG")).toBe(2);
});

it("rejects with not_found where there is no such stream", async () => {
  const missing = { code: "not_found", message: expect.stringContaining("NOPE") };
  await expect(
    readSubject(connection, { stream: "NOPE", subject: "NOPE.a" }, () => {}),
  ).rejects.toMatchObject(missing);
  await expect(countSubjects(connection, "NOPE")).rejects.toMatchObject(missing);
});
