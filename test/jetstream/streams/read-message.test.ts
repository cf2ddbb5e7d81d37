import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Connection } from "../../../src/jetstream/client/connection.ts";
import {
  parseTimestampUs,
  readBySequence,
  readLast,
  readLastSequence,
} from "../../../src/jetstream/streams/read-message.ts";
import { openTestConnection } from "../../support/open-test-connection.ts";
import { startTestBroker, type TestBroker } from "../../support/start-test-broker.ts";

let broker: TestBroker;
let connection: Connection;

beforeAll(async () => {
  broker = await startTestBroker();
  connection = await openTestConnection(broker.url);
  await connection.jsm.streams.add({ name: "LOG", subjects: ["LOG.>"] });
});

afterAll(async () => {
  await connection.close();
  await broker.stop();
});

it("reads the last message of a subject, or undefined where there is none", async () => {
  expect(await readLastSequence(connection, "LOG")).toBe(0);
  for (const text of ["one", "two"]) await connection.nats.jetstream().publish("LOG.a", text);
  await connection.nats.jetstream().publish("LOG.b", "other");
  const found = await readLast(connection, "LOG", "LOG.a");
  expect(found).toMatchObject({ subject: "LOG.a", sequence: 2 });
  expect(Buffer.from(found?.payload ?? []).toString()).toBe("two");
  expect(found?.header("traceparent")).toBeUndefined();
  expect(await readLast(connection, "LOG", "LOG.c")).toBeUndefined();
  expect(await readLastSequence(connection, "LOG")).toBe(3);
});

it("reads the message with a sequence, or undefined where there is none", async () => {
  expect(await readBySequence(connection, "LOG", 3)).toMatchObject({ subject: "LOG.b", sequence: 3 });
  expect(await readBySequence(connection, "LOG", 1000)).toBeUndefined();
});

it("rejects with not_found where there is no such stream", async () => {
  const missing = { code: "not_found", message: expect.stringContaining("NOPE") };
  await expect(readLast(connection, "NOPE", "NOPE.a")).rejects.toMatchObject(missing);
  await expect(readBySequence(connection, "NOPE", 1)).rejects.toMatchObject(missing);
  await expect(readLastSequence(connection, "NOPE")).rejects.toMatchObject(missing);
});

describe("parseTimestampUs", () => {
  it.each([
    ["2024-03-01T08:26:00Z", 1_709_281_560_000_000],
    ["2024-03-01T08:26:00.5Z", 1_709_281_560_500_000],
    ["2024-03-01T08:26:00.000001Z", 1_709_281_560_000_001],
    ["2024-03-01T08:26:00.123456789Z", 1_709_281_560_123_456],
    ["2024-03-01T10:26:00.123456789+02:00", 1_709_281_560_123_456],
  ])("keeps the µs of %s", (timestamp, us) => {
    expect(parseTimestampUs(timestamp)).toBe(us);
  });
});
