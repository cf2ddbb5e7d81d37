import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { flowTopology } from "../../../src/flow/flow-topology.ts";
import type { Connection } from "../../../src/jetstream/client/connection.ts";
import {
  applyTopology,
  readAckFloor,
  readDrift,
  readStreamIdentity,
  type Topology,
} from "../../../src/jetstream/streams/apply-topology.ts";
import { orderShape } from "../../../src/orders/flow.ts";
import { openTestConnection } from "../../support/open-test-connection.ts";
import { startTestBroker, type TestBroker } from "../../support/start-test-broker.ts";

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

const small = (name: string, settings: Record<string, unknown> = {}): Topology => ({
  streams: [{ name, subjects: [`${name}.>`], max_msgs: 100, ...settings }],
  consumers: [{ stream: name, durable_name: `${name}-reader`, ack_policy: "explicit", max_ack_pending: 50 }],
});

describe("applyTopology", () => {
  it("creates every stream and consumer of the order pipeline, as it wants them", async () => {
    const wanted = flowTopology(orderShape);
    const missing = await readDrift(connection, wanted);
    expect(missing.every(({ setting, actual }) => setting === "*" && actual === null)).toBe(true);
    expect(missing).toHaveLength(wanted.streams.length + wanted.consumers.length);
    expect(await applyTopology(connection, wanted)).toEqual([]);
    expect(await readDrift(connection, wanted)).toEqual([]);
    const names = await connection.jsm.streams.names().next();
    const buckets = ["KV_INVENTORY", "KV_ORDERS_ARCHIVE", "KV_SUSPECTS"];
    expect(names).toEqual(["DEAD_LETTERS", ...buckets, "ORDERS", "REDRIVES"]);
  });

  it("changes nothing the second time", async () => {
    await applyTopology(connection, small("TWICE"));
    const before = await readStreamIdentity(connection, "TWICE");
    expect(await applyTopology(connection, small("TWICE"))).toEqual([]);
    expect(await readStreamIdentity(connection, "TWICE")).toBe(before);
  });

  it("may be run by many processes at once", async () => {
    const others = await Promise.all(Array.from({ length: 6 }, () => openTestConnection(broker.url)));
    onTestFinished(async () => void (await Promise.all(others.map((other) => other.close()))));
    const drifts = await Promise.all(others.map((other) => applyTopology(other, small("RACE"))));
    expect(drifts).toEqual([[], [], [], [], [], []]);
  });

  it("reports what is different and leaves it as it is", async () => {
    await applyTopology(connection, small("DRIFT"));
    const wanted = small("DRIFT", { max_msgs: 7, max_bytes: 1_000_000 });
    const consumers = wanted.consumers.map((spec) => ({ ...spec, max_ack_pending: 9 }));
    const drifts = await applyTopology(connection, { ...wanted, consumers });
    const own = { isKnown: true, leadsTo: null };
    expect(drifts).toEqual([
      { ...own, kind: "stream", name: "DRIFT", setting: "max_msgs", wanted: 7, actual: 100 },
      { ...own, kind: "stream", name: "DRIFT", setting: "max_bytes", wanted: 1_000_000, actual: -1 },
      { ...own, kind: "consumer", name: "DRIFT-reader", setting: "max_ack_pending", wanted: 9, actual: 50 },
    ]);
    expect(await readDrift(connection, small("DRIFT"))).toEqual([]);
  });

  it("creates a missing consumer on a stream that is there", async () => {
    await applyTopology(connection, { ...small("HALF"), consumers: [] });
    expect(await applyTopology(connection, small("HALF"))).toEqual([]);
    expect((await connection.jsm.consumers.info("HALF", "HALF-reader")).name).toBe("HALF-reader");
  });

  it("says what it could not create", async () => {
    await applyTopology(connection, small("TAKEN"));
    const overlapping = { streams: [{ name: "OTHER", subjects: ["TAKEN.>"] }], consumers: [] };
    await expect(applyTopology(connection, overlapping)).rejects.toMatchObject({
      name: "OrderctlError",
      message: expect.stringContaining("cannot create stream OTHER"),
    });
  });
});

it("tells one incarnation of a stream from the next", async () => {
  await applyTopology(connection, small("LIVES"));
  const first = await readStreamIdentity(connection, "LIVES");
  await connection.jsm.streams.delete("LIVES");
  await applyTopology(connection, small("LIVES"));
  expect(await readStreamIdentity(connection, "LIVES")).not.toBe(first);
  expect(Date.parse(first)).toBeGreaterThan(Date.now() - 60_000);
});

it("reads the sequence up to which everything is acknowledged", async () => {
  await applyTopology(connection, small("FLOOR"));
  for (const name of ["a", "b", "c"]) await connection.nats.jetstream().publish(`FLOOR.${name}`);
  const consumer = await connection.nats.jetstream().consumers.get("FLOOR", "FLOOR-reader");
  const messages = [await consumer.next(), await consumer.next(), await consumer.next()];
  await messages[0]?.ackAck();
  await messages[2]?.ackAck();
  expect(await readAckFloor(connection, "FLOOR", "FLOOR-reader")).toBe(1);
  await messages[1]?.ackAck();
  expect(await readAckFloor(connection, "FLOOR", "FLOOR-reader")).toBe(3);
});

it("rejects with not_found where there is no such stream or consumer", async () => {
  await expect(readStreamIdentity(connection, "NOPE")).rejects.toMatchObject({ code: "not_found" });
  await expect(readAckFloor(connection, "NOPE", "nobody")).rejects.toMatchObject({ code: "not_found" });
});
