import { execFile, execFileSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import fc from "fast-check";
import { parquetMetadata, parquetReadObjects } from "hyparquet";
import { headers as createHeaders } from "nats";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { buildSegment, SegmentReader } from "../../src/archive/segment.ts";
import type { SegmentFile } from "../../src/archive/segment-store.ts";
import { flowTopology } from "../../src/flow/flow-topology.ts";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { Publisher } from "../../src/jetstream/publish/publisher.ts";
import { applyTopology } from "../../src/jetstream/streams/apply-topology.ts";
import { readStream } from "../../src/jetstream/streams/read-stream.ts";
import type { StreamMessage } from "../../src/jetstream/streams/stream-message.ts";
import { orderFlow } from "../../src/orders/built-in-flow.ts";
import type { OrderEvent } from "../../src/orders/events.ts";
import { createOrderGenerator } from "../../src/orders/generator.ts";
import { encodeHop, hopHeader } from "../../src/telemetry/hop.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { startTestBroker, type TestBroker } from "../support/start-test-broker.ts";

const orders = 700;
const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const hop = {
  causeSequence: 7,
  service: "payment",
  instance: "box-1",
  attempt: 3,
  receivedAtUs: 1_000,
  startedAtUs: 1_000,
  finishedAtUs: 2_000,
};

let broker: TestBroker;
let connection: Connection;
/** What the stream holds: orders whose events lie between those of others, and messages of other programs. */
let messages: StreamMessage[];
let segment: Uint8Array;
let ids: string[];

beforeAll(async () => {
  broker = await startTestBroker();
  connection = await openTestConnection(broker.url);
  await applyTopology(connection, flowTopology(orderFlow));
  ids = await storeOrders();
  await storeStrange();
  messages = await readLog();
  segment = await buildSegment(orderFlow, messages);
});

afterAll(async () => {
  await connection.close();
  await broker.stop();
});

/** A shipped order, without the first event. */
const rest = ({ orderId, lines, total }: OrderEvent & { kind: "created" }): OrderEvent[] => [
  { kind: "payments", orderId, status: "APPROVED", reason: "", chargeId: `ch_${orderId}`, total, lines },
  { kind: "reservations", orderId, status: "RESERVED", lines, missingSkus: [], total, chargeId: "ch" },
  { kind: "shipments", orderId, carrier: "post", trackingId: `T-${orderId}` },
  { kind: "notifications", orderId, type: "SHIPPED", channel: "email" },
];

async function storeOrders(): Promise<string[]> {
  const publisher = new Publisher(connection);
  const generator = createOrderGenerator({ seed: 1 });
  const created = Array.from({ length: orders }, () => generator.next(1));
  const stored = [
    created,
    ...(created.map(rest)[0]?.map((_, step) => created.map((order) => rest(order)[step])) ?? []),
  ];
  const headers = { traceparent: `00-${traceId}-00f067aa0ba902b7-01`, [hopHeader]: encodeHop(hop) };
  const publish = (event: OrderEvent) =>
    publisher.publish({
      subject: orderFlow.subjectOf(event.kind, event.orderId),
      payload: orderFlow.encode(event),
      headers,
    });
  for (const step of stored) await Promise.all(step.map((event) => publish(event as OrderEvent)));
  publisher.close();
  return created.map(({ orderId }) => orderId);
}

async function storeStrange(): Promise<void> {
  const jetstream = connection.nats.jetstream();
  const headers = createHeaders();
  headers.append("Color", "red");
  headers.append("Color", "blue");
  headers.append("Nats-Msg-Id", "m-1");
  headers.append("__proto__", "polluted");
  headers.append("Size", "größer µ\u2028");
  await jetstream.publish("ORDERS.created.undecodable", Buffer.from([0xff, 0, 0xfe]), { headers });
  await jetstream.publish("ORDERS.payments.undecodable", new Uint8Array());
  await jetstream.publish("ORDERS.returns.o-1", "no kind of the flow");
  await jetstream.publish("ORDERS.überraschung", "no key either");
}

async function readLog(): Promise<StreamMessage[]> {
  const read: StreamMessage[] = [];
  for await (const batch of readStream(connection, { stream: "ORDERS" })) read.push(...batch);
  return read;
}

/** A file in memory that counts what is read of it. */
function fileOf(content: Uint8Array): SegmentFile & { readBytes: number; reads: number } {
  return {
    name: "file:///archive/orders-1.parquet",
    bytes: content.length,
    readBytes: 0,
    reads: 0,
    async read(start, end) {
      this.readBytes += end - start;
      this.reads += 1;
      return content.subarray(start, end);
    },
    async close() {},
  };
}

const plain = ({ subject, sequence, storedAtUs, payload, headers }: StreamMessage) => ({
  subject,
  sequence,
  storedAtUs,
  payload: Buffer.from(payload).toString("hex"),
  headers: headers(),
});

const open = (content = segment) => SegmentReader.open(fileOf(content));
const bufferOf = (content: Uint8Array) => Uint8Array.from(content).buffer;
const readRows = (content = segment) => parquetReadObjects({ file: bufferOf(content), utf8: false });

describe("a reader of a segment", () => {
  it("returns every message as it was stored, in stream order", async () => {
    const read = await (await open()).readAll();
    expect(read.length).toBe(5 * orders + 4);
    expect(read.map(plain)).toEqual(messages.map(plain));
  });

  it("finds headers by their names as they are written, and broker headers by their new ones", async () => {
    const [message] = await (await open()).readKey("undecodable");
    expect(message?.header("Color")).toBe("red, blue");
    expect(message?.header("color")).toBeUndefined();
    expect(message?.header("Nats-Msg-Id")).toBeUndefined();
    expect(message?.header("Original-Nats-Msg-Id")).toBe("m-1");
    expect(message?.header("__proto__")).toBe("polluted");
    expect(message?.header("toString")).toBeUndefined();
  });

  it("finds all of a key's messages in stream order, and reads little of the file for them", async () => {
    const file = fileOf(segment);
    const reader = await SegmentReader.open(file);
    for (const id of [ids[0], ids[orders >> 1], ids.at(-1)] as string[]) {
      file.readBytes = 0;
      file.reads = 0;
      const own = messages.filter(({ subject }) => subject.endsWith(`.${id}`));
      expect(own.length).toBe(5);
      expect((await reader.readKey(id)).map(plain)).toEqual(own.map(plain));
      expect(file.readBytes).toBeLessThan(segment.length / 2);
      expect(file.reads).toBeLessThanOrEqual(4);
    }
  });

  it("reads the footer at once", async () => {
    const file = fileOf(segment);
    await SegmentReader.open(file);
    expect(file.reads).toBe(1);
  });

  it("finds nothing of a key that is not there, also between two that are", async () => {
    const reader = await open();
    for (const key of ["", "0", "nobody", `${ids[3]}x`, "zzz"]) expect(await reader.readKey(key)).toEqual([]);
  });

  it("finds a message by its sequence, and none where there is none", async () => {
    const reader = await open();
    for (const message of [messages[0], messages[1234], messages.at(-1)] as StreamMessage[]) {
      const found = await reader.readBySequence(message.sequence);
      expect(found && plain(found)).toEqual(plain(message));
    }
    expect(await reader.readBySequence(0)).toBeUndefined();
    expect(await reader.readBySequence(messages.length + 1)).toBeUndefined();
  });
});

describe("a segment", () => {
  it("has a row for each message, by key and sequence, and those without a key last", async () => {
    const rows = await readRows();
    expect(rows.length).toBe(messages.length);
    const keyed = rows.filter(({ order_id: id }) => id !== undefined && id !== null);
    expect(rows.slice(0, keyed.length)).toEqual(keyed);
    const place = ({ order_id: id, sequence }: Record<string, unknown>) =>
      `${id} ${String(sequence).padStart(9, "0")}`;
    expect(keyed.map(place)).toEqual(keyed.map(place).sort());
    const strange = ["ORDERS.returns.o-1", Buffer.from("ORDERS.überraschung").toString("latin1")];
    expect(rows.slice(keyed.length).map(({ subject }) => subject)).toEqual(strange);
  });

  it("tells in columns what an order's events say", async () => {
    const id = ids[5];
    const rows = (await readRows()).filter((row) => row.order_id === id);
    const [created, payment, , shipment, notification] = rows;
    const event = orderFlow.decode(`ORDERS.created.${id}`, created?.payload) as OrderEvent & {
      kind: "created";
    };
    const skus = [...new Set(event.lines.map(({ sku }) => sku))];
    const work = { instance: "box-1", attempt: 3, trace_id: traceId };
    const money = { amount_minor: BigInt(event.total.amountMinor), currency: event.total.currency };
    const none = { customer_id: null, skus: undefined, amount_minor: null, currency: null };
    const ofOrder = { order_id: id, ...work };
    expect(created).toMatchObject({
      ...ofOrder,
      ...money,
      skus,
      kind: "created",
      customer_id: event.customerId,
    });
    expect(payment).toMatchObject({
      ...ofOrder,
      ...money,
      skus,
      status: "APPROVED",
      customer_id: null,
      detail: null,
    });
    expect(shipment).toMatchObject({
      ...ofOrder,
      ...none,
      kind: "shipments",
      status: "SHIPPED",
      detail: "post",
    });
    expect(notification).toMatchObject({ ...ofOrder, ...none, status: "SHIPPED", detail: "email" });
    expect(JSON.parse(created?.headers)).toEqual({
      traceparent: expect.any(String),
      [hopHeader]: encodeHop(hop),
    });
    expect(created?.stored_at).toBeInstanceOf(Date);
  });

  it("has nulls for a message that is no event", async () => {
    const [created, payment] = (await readRows()).filter(({ order_id: id }) => id === "undecodable");
    const none = {
      status: null,
      detail: null,
      amount_minor: null,
      currency: null,
      customer_id: null,
      skus: undefined,
    };
    const unknown = { instance: null, attempt: null, trace_id: null };
    expect(created).toMatchObject({ ...none, ...unknown, kind: "created", order_id: "undecodable" });
    expect(created?.payload).toEqual(new Uint8Array([0xff, 0, 0xfe]));
    expect(payment?.payload).toEqual(new Uint8Array());
  });

  it("has the least and the greatest key of each row group, and few rows in each", () => {
    const { row_groups: groups, schema } = parquetMetadata(bufferOf(segment));
    expect(schema[1]?.name).toBe("order_id");
    expect(groups.length).toBe(4);
    for (const { columns } of groups) {
      const { min_value: least, max_value: greatest } = columns[0]?.meta_data?.statistics ?? {};
      expect(String(least) <= String(greatest)).toBe(true);
    }
  });

  it("is the same file for the same messages, in whatever order they come", async () => {
    const again = await buildSegment(orderFlow, messages.toReversed());
    expect(Buffer.compare(segment, again)).toBe(0);
  });

  it("may hold no message at all", async () => {
    const reader = await open(await buildSegment(orderFlow, []));
    expect(await reader.readAll()).toEqual([]);
    expect(await reader.readKey("o-1")).toEqual([]);
    expect(await reader.readBySequence(1)).toBeUndefined();
  });

  it("holds large messages in row groups of few", async () => {
    const [first] = messages as [StreamMessage];
    const large = [1, 2, 3, 4].map((sequence) => ({
      ...first,
      sequence,
      payload: Buffer.alloc(700_000, sequence),
    }));
    const content = await buildSegment(orderFlow, large);
    expect(parquetMetadata(bufferOf(content)).row_groups.length).toBe(2);
    expect((await (await open(content)).readAll()).map(plain)).toEqual(large.map(plain));
  });

  it("lets other work have its turn while it is built", async () => {
    let turns = 0;
    let isOver = false;
    const count = () => {
      turns += 1;
      if (!isOver) setImmediate(count);
    };
    count();
    await buildSegment(orderFlow, messages);
    isOver = true;
    expect(turns).toBeGreaterThan(8);
  });
});

describe("a damaged segment", () => {
  const unavailable = { code: "unavailable", source: "store" };
  const named = expect.stringContaining("file:///archive/orders-1.parquet is damaged: ");

  it.each([0, 3, 100, 20_000])("rejects with its name where only %d bytes are left of it", async (bytes) => {
    await expect(open(segment.subarray(0, bytes))).rejects.toMatchObject({ ...unavailable, message: named });
  });

  it("rejects with its name where its messages are gone", async () => {
    const content = Uint8Array.from(segment).fill(0, 4, segment.length - 100_000);
    const reader = await open(content);
    const rejected = { ...unavailable, message: named };
    await expect(reader.readAll()).rejects.toMatchObject(rejected);
    await expect(reader.readKey(ids[0] ?? "")).rejects.toMatchObject(rejected);
    await expect(reader.readBySequence(1)).rejects.toMatchObject(rejected);
  });

  it("rejects with `unavailable`, or reads, whatever single bit is another", async () => {
    const position = fc.integer({ min: 0, max: 8 * segment.length - 1 });
    const inFooter = fc.integer({ min: 8 * (segment.length - 12_000), max: 8 * segment.length - 1 });
    const property = fc.asyncProperty(fc.oneof(position, inFooter), async (bit) => {
      const content = Uint8Array.from(segment);
      content[bit >> 3] = (content[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const read = open(content).then((reader) => reader.readKey(ids[9] ?? ""));
      await read.catch((thrown) => expect(thrown).toMatchObject({ ...unavailable, message: named }));
    });
    await fc.assert(property, { numRuns: 200 });
  });

  it("passes on the error of a file that cannot be read", async () => {
    const file = fileOf(segment);
    const reader = await SegmentReader.open(file);
    file.read = () => Promise.reject(new Error("gone"));
    await expect(reader.readAll()).rejects.toMatchObject({
      ...unavailable,
      message: expect.stringMatching(/gone$/),
    });
  });
});

const hasPython = (() => {
  try {
    execFileSync("python3", ["-c", "import duckdb, pandas, pyarrow"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
})();

describe.skipIf(!hasPython)(
  "other programs (skipped where python3 has no duckdb, pandas and pyarrow)",
  () => {
    const script = `
import duckdb, json, pandas, sys
file, order = sys.argv[1:]
ask = lambda what, rest = "": duckdb.sql(f"select {what} from '{file}' {rest}").fetchall()
frame = pandas.read_parquet(file)
print(json.dumps({
  "rows": ask("count(*), count(order_id), count(distinct order_id), sum(octet_length(payload))")[0],
  "kinds": dict(ask("kind, count(*)", "where kind is not null group by kind")),
  "skus": ask("skus", f"where order_id = '{order}' and customer_id is not null")[0][0],
  "time": ask("epoch_us(stored_at)", "where sequence = 1")[0][0],
  "pandas": [len(frame), int(frame["amount_minor"].notna().sum()), str(frame["stored_at"].dtype)],
}))`;

    it("read it as it is", async () => {
      const folder = await mkdtemp(join(tmpdir(), "orderctl-segment-"));
      onTestFinished(() => rm(folder, { recursive: true }));
      const path = join(folder, "segment.parquet");
      await writeFile(path, segment);
      const id = ids[5] ?? "";
      const { stdout } = await promisify(execFile)("python3", ["-c", script, path, id]);
      const said = JSON.parse(stdout);
      const bytes = messages.reduce((sum, { payload }) => sum + payload.length, 0);
      expect(said.rows).toEqual([messages.length, messages.length - 2, orders + 1, bytes]);
      expect(said.kinds).toMatchObject({ created: orders + 1, payments: orders + 1, shipments: orders });
      const own = messages.find(({ subject }) => subject === `ORDERS.created.${id}`) as StreamMessage;
      const created = orderFlow.decode(own.subject, own.payload) as OrderEvent & { kind: "created" };
      expect(said.skus).toEqual([...new Set(created.lines.map(({ sku }) => sku))]);
      expect(said.time).toBe(messages[0]?.storedAtUs);
      expect(said.pandas).toEqual([messages.length, 3 * orders, "datetime64[us, UTC]"]);
    });
  },
);
