import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { flowTopology } from "../../../src/flow/flow-topology.ts";
import { type Connection, openConnection } from "../../../src/jetstream/client/connection.ts";
import { Publisher } from "../../../src/jetstream/publish/publisher.ts";
import { applyTopology } from "../../../src/jetstream/streams/apply-topology.ts";
import { Bucket } from "../../../src/jetstream/streams/bucket.ts";
import { orderShape } from "../../../src/orders/flow.ts";
import { setStock } from "../../../src/orders/stock/set-stock.ts";
import { decodeStock, encodeStock, takeUnits } from "../../../src/orders/stock/stock.ts";
import { encodeEvent } from "../../../src/orders/wire/codec.ts";
import { reserved } from "../../support/handler-context.ts";
import { orderLog } from "../../support/order-log.ts";
import { runCommand } from "../../support/run-command.ts";
import { startTestBroker, type TestBroker } from "../../support/start-test-broker.ts";

let broker: TestBroker;
let connection: Connection;
let publisher: Publisher;
let bucket: Bucket;

beforeAll(async () => {
  broker = await startTestBroker();
  const times = { connectTimeoutMs: 5000, reconnectWaitMs: 50, patienceMs: 0, timeoutMs: 5000 };
  connection = await openConnection({ servers: [broker.url], name: "test", ...times });
  publisher = new Publisher(connection);
  bucket = new Bucket(connection, publisher, "INVENTORY");
});
afterAll(async () => {
  publisher.close();
  await connection.close();
  await broker.stop();
});

const inventory = (line: string) => runCommand(`inventory ${line}`, { env: { NATS_URL: broker.url } });

async function readSku(sku: string) {
  const entry = await bucket.read(sku);
  if (!entry) throw new Error(`${sku} is not stocked`);
  return { stock: decodeStock(sku, entry.value), revision: entry.revision };
}

/** What an inventory service does for the payment at `sequence`. */
async function take(sku: string, sequence: number, units: number): Promise<void> {
  for (;;) {
    const { stock, revision } = await readSku(sku);
    takeUnits(stock, sequence, units);
    if ((await bucket.write({ key: sku, value: encodeStock(stock), revision })) !== undefined) return;
  }
}

it("says on a broker that was never used that nothing is stocked, and creates nothing", async () => {
  const { exitCode, stdout } = await inventory("list");
  expect([exitCode, stdout]).toEqual([
    0,
    "nothing was ever stocked; stock something with `orderctl inventory set`\n",
  ]);
  await expect(connection.jsm.streams.info("KV_INVENTORY")).rejects.toThrow("stream not found");
});

describe("inventory set", () => {
  it("tells how many are set where the bucket takes no more, and to set all of them again", async () => {
    await applyTopology(connection, flowTopology(orderShape));
    await connection.jsm.streams.update("KV_INVENTORY", { max_msgs: 1 });
    const { exitCode, stderr } = await inventory("set PEN=1 INK=2");
    expect(exitCode).toBe(3);
    expect(stderr).toMatch(
      /^error: 1 of 2 SKUs are set: cannot store \$KV\.INVENTORY\.\w+: maximum messages/,
    );
    expect(stderr).toContain("the same command once more sets all of them");
    await connection.jsm.streams.delete("KV_INVENTORY");
  });

  it("stocks what is named, and shows it", async () => {
    const { exitCode, stdout } = await inventory("set MUG-1=250 CANDLE-2=0 A=B=3");
    expect(exitCode).toBe(0);
    expect(stdout).toMatchInlineSnapshot(`
      "3 SKUs: 253 units available, 0 reserved

      sku           available  reserved  held
      A=B                   3         0     0
      CANDLE-2       sold out         0     0
      MUG-1               250         0     0
      "
    `);
    expect((await readSku("MUG-1")).stock.available).toBe(250);
  });

  it("leaves reserved units and holds as they are", async () => {
    await inventory("set TRAY-1=10");
    await take("TRAY-1", 41, 3);
    const { stock: before } = await readSku("TRAY-1");
    const { lines } = await inventory("set TRAY-1=100 --json");
    expect(lines()).toEqual([
      {
        kind: "stock",
        version: 1,
        data: { items: [{ sku: "TRAY-1", available: 100, reserved: 3, held: 3, error: null }] },
      },
    ]);
    expect((await readSku("TRAY-1")).stock).toEqual({ ...before, available: 100 });
  });

  it("loses no order that takes stock at the same time", async () => {
    await inventory("set BUSY=1000");
    const sequences = Array.from({ length: 40 }, (_, index) => index + 1);
    const taking = Promise.all(sequences.map((sequence) => take("BUSY", sequence, 1)));
    for (let round = 0; round < 10; round++) await setStock(orderLog(connection), new Map([["BUSY", 500]]));
    await taking;
    const { stock } = await readSku("BUSY");
    expect([...stock.holds.keys()].sort((a, b) => a - b)).toEqual(sequences);
    expect(stock.reserved).toBe(40);
    expect(stock.available).toBeGreaterThanOrEqual(460);
    expect(stock.available).toBeLessThanOrEqual(500);
  });

  it("stocks every SKU of synthetic orders with --catalogue, and those named otherwise as named", async () => {
    const { lines } = await inventory("set --catalogue --units 2k LANTERN-001=1 EXTRA --json");
    const { items } = (lines()[0]?.data ?? { items: [] }) as { items: { sku: string; available: number }[] };
    expect(items).toHaveLength(101);
    const available = new Map(items.map((item) => [item.sku, item.available]));
    expect(["LANTERN-001", "TEAPOT-002", "EXTRA"].map((sku) => available.get(sku))).toEqual([1, 2000, 2000]);
  });

  it("stocks anew what `nats kv del` removed", async () => {
    await inventory("set GONE=1");
    await connection.nats.jetstream().publish("$KV.INVENTORY.GONE");
    expect(await inventory("set GONE=7")).toMatchObject({ exitCode: 0 });
    expect((await readSku("GONE")).stock.available).toBe(7);
  });

  // It used to write a SKU that nobody orders, and to say nothing.
  it("asks before it stocks what differs from another SKU in case only", async () => {
    await inventory("set SPOON-3=5");
    for (const words of ["set spoon-3=7", "set OTHER=1 Spoon-3=7", "set FORK-1=1 fork-1=2"]) {
      const { exitCode, stdout, stderr } = await inventory(words);
      expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: "" });
      expect(stderr).toMatch(/: did you mean (SPOON-3|FORK-1)\?\n.*--new stocks (s|S|f)\w+-\d beside it/);
    }
    expect((await readSku("SPOON-3")).stock.available).toBe(5);
    expect((await inventory("list spoon-3")).stderr).toContain("did you mean SPOON-3?");
    expect(await inventory("set spoon-3=7 --new")).toMatchObject({ exitCode: 0 });
    expect(await inventory("set spoon-3=8 SPOON-3=6")).toMatchObject({ exitCode: 0 });
  });

  it.each([
    ["set", "name what to stock"],
    ["set MUG-1", "how many of MUG-1?"],
    ["set --catalogue", "how many of LANTERN-001?"],
    ["set MUG-1=-1", '"MUG-1=-1" is not of the form <sku>=<units>'],
    ["set MUG-1=many", '"MUG-1=many" is not of the form <sku>=<units>'],
    ["set MUG-1=1.5", '"MUG-1=1.5" is not of the form <sku>=<units>'],
    [`set ${"x".repeat(65)}=5`, "sku has 65 characters, 64 are the most"],
    ["set =5", '"=5" is not of the form <sku>=<units>'],
    ["set MUG-1=1 MUG-1=2", "MUG-1 is named twice"],
    ["set MUG-1 --units few", "--units"],
  ])("refuses `%s` and changes nothing", async (line, message) => {
    await inventory("set MUG-1=250");
    const { exitCode, stdout, stderr } = await inventory(line);
    expect([exitCode, stdout]).toEqual([2, ""]);
    expect(stderr).toContain(message);
    expect((await readSku("MUG-1")).stock.available).toBe(250);
  });
});

describe("inventory list", () => {
  it("shows the SKUs asked for, with what their orders hold", async () => {
    await inventory("set ONE=5 TWO=5");
    await take("ONE", 7, 2);
    const { stdout } = await inventory("list TWO ONE");
    expect(stdout).toMatchInlineSnapshot(`
      "2 SKUs: 8 units available, 2 reserved

      sku           available  reserved  held
      TWO                   5         0     0
      ONE                   3         2     2
      "
    `);
  });

  it("shows all, sorted, without those asked for", async () => {
    const { lines } = await inventory("list --json");
    const { items } = (lines()[0]?.data ?? { items: [] }) as { items: { sku: string }[] };
    const skus = items.map(({ sku }) => sku);
    expect(skus).toEqual([...skus].sort());
    expect(skus).toEqual(expect.arrayContaining(["MUG-1", "A=B", "TEAPOT-002"]));
  });

  it("misses none that changes while it is listed", async () => {
    const hot = ["HOT-1", "HOT-2", "HOT-3"];
    await setStock(orderLog(connection), new Map(hot.map((sku) => [sku, 100_000])));
    let busy = true;
    let sequence = 0;
    const taking = hot.map(async (sku) => {
      while (busy) await take(sku, ++sequence, 1);
    });
    for (let round = 0; round < 20; round++) {
      const { lines } = await inventory("list --json");
      const { items } = (lines()[0]?.data ?? { items: [] }) as { items: { sku: string }[] };
      expect(items.map(({ sku }) => sku)).toEqual(expect.arrayContaining(hot));
    }
    busy = false;
    await Promise.all(taking);
  });

  it("lists the rest where somebody wrote entries by hand, names those, and lets them be set anew", async () => {
    const store = await connection.nats.jetstream().views.kv("INVENTORY", { bindOnly: true });
    await inventory("set GOOD=3 BAD=5");
    await store.put("BAD", "250");
    await store.put("size=M", "7");
    await connection.nats.jetstream().publish(
      "ORDERS.reservations.r-1",
      encodeEvent({
        ...reserved,
        orderId: "r-1",
        lines: [{ sku: "BAD", quantity: 4, unitPriceMinor: 1 }],
      }),
    );
    const listed = await inventory("list");
    expect(listed.exitCode).toBe(1);
    expect(listed.stdout).toMatch(/^\d+ SKUs: .*; 2 cannot be read\n/);
    expect(listed.stdout).toMatch(/\nGOOD +3 +0 +0\n/);
    expect(listed.stdout).toMatch(/\nBAD +unreadable +\? +\?\n/);
    expect(listed.stdout.replaceAll("\n", " ")).toContain(
      "`orderctl inventory set BAD=<units>` writes it anew",
    );
    const { lines } = await inventory("list --json");
    const { items } = (lines()[0]?.data ?? { items: [] }) as { items: unknown[] };
    expect(items).toContainEqual({
      sku: "size=M",
      available: null,
      reserved: null,
      held: null,
      error: expect.stringContaining("no service reads the key size=M"),
    });
    expect((await runCommand(`audit --grace 1h --server ${broker.url}`)).stdout).toContain("size=M");
    // What orders have taken of it is in the log.
    expect((await inventory("set BAD=9 size=M=2")).stdout).toMatch(/\nBAD +9 +4 +0\n.*size=M +2 +0 +0\n/s);
    expect((await inventory("list")).exitCode).toBe(0);
    expect((await readSku("size=M")).stock.available).toBe(2);
  });

  it("names no command in which a shell would read more than a SKU, and no key without end", async () => {
    const { nats } = connection;
    const keys = ["x;$(touch$HOMEx)", "k".repeat(2000)];
    for (const key of keys) await nats.jetstream().publish(`$KV.INVENTORY.${key}`, "7");
    const { stdout } = await inventory("list");
    expect(stdout.replaceAll("\n", " ")).toContain("`orderctl inventory set 'x;$(touch$HOMEx)'=<units>`");
    expect(stdout).not.toMatch(/inventory set k/);
    expect(stdout).not.toMatch(/k{600}/);
    const store = await nats.jetstreamManager();
    for (const key of keys) await store.streams.purge("KV_INVENTORY", { filter: `$KV.INVENTORY.${key}` });
  });

  it("says when a SKU was never stocked", async () => {
    const { exitCode, stderr } = await inventory("list NOPE");
    expect(exitCode).toBe(4);
    expect(stderr).toContain('nobody has stocked "NOPE"');
  });
});
