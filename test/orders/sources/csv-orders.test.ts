import { createReadStream, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { type CsvOptions, readCsvOrders } from "../../../src/orders/sources/csv-orders.ts";
import { inPieces, readAll } from "./read-items.ts";

const header = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country";
const goodRow = (invoice: string, sku = "MUG-3") => `${invoice},${sku},MUG,2,3/1/24 8:26,4.20,C-1,France`;

const read = (rows: string[], options: Partial<CsvOptions> = {}) =>
  readAll(readCsvOrders(inPieces(rows.join("\n")), { fileName: "orders.csv", ...options }));

const readFixture = (input: NodeJS.ReadableStream) =>
  readAll(readCsvOrders(input as AsyncIterable<Uint8Array>, { fileName: "fixtures/orders.csv" }));

describe("a messy retail file", () => {
  test("gives an order for every invoice of which all rows sell something, wherever they stand", async () => {
    const { orders } = await readFixture(createReadStream("fixtures/orders.csv"));
    expect(
      orders.map(({ row, order }) => [
        row,
        order.orderId,
        order.lines.map(({ sku }) => sku).join(" "),
        order.total.amountMinor,
      ]),
    ).toEqual([
      [11, "7004", "CARD-1 BANK CHARGES", 2508],
      [2, "7001", "LANTERN-W SIGN-1 FRAME-7 MUG-3", 3192],
    ]);
    expect(orders[1]?.order).toEqual({
      kind: "created",
      orderId: "7001",
      customerId: "C-17",
      lines: [
        { sku: "LANTERN-W", quantity: 6, unitPriceMinor: 255 },
        { sku: "SIGN-1", quantity: 2, unitPriceMinor: 210 },
        { sku: "FRAME-7", quantity: 1, unitPriceMinor: 1200 },
        { sku: "MUG-3", quantity: 1, unitPriceMinor: 42 },
      ],
      total: { amountMinor: 3192, currency: "GBP" },
      createdAtUs: Date.UTC(2024, 2, 1, 8, 26) * 1000,
    });
  });

  test("says of every other row which it is and why", async () => {
    const { rejects } = await readFixture(createReadStream("fixtures/orders.csv"));
    expect(rejects.map(({ row, reason }) => `${row}: ${reason}`)).toMatchInlineSnapshot(`
      [
        "5: invoice C7002 is a cancellation",
        "6: another row of this order is wrong: line 7",
        "7: price is 0 GBP, not above zero",
        "8: quantity is -3, not above zero",
        "9: another row of this order is wrong: line 7",
        "10: sku is empty",
        "14: no order number",
        "15: quantity "two" is not a whole number",
        "16: "5,95" has a decimal comma, this file a decimal point; --decimal , reads it",
        "17: 4 columns, the header has 8",
        "18: 9 columns, the header has 8",
        "19: no price",
        "20: price is -5.95 GBP, not above zero",
        "21: "5.955" has more than the 2 decimals of GBP",
        "24: order number "INV 7" is not 1 to 64 letters, digits, '-' or '_'",
        "25: another row of this order is wrong: line 26",
        "26: sku or customer is not UTF-8; save the file as UTF-8",
        "27: quantity is -1, not above zero",
        "28: quantity is 99999999999, not a whole number from 1 to 2147483647",
        "29: "99999999999999999" GBP is too large an amount",
        "30: another row of this order is wrong: line 28",
      ]
    `);
  });

  test("gives, in part, also what is left of the others", async () => {
    const input = createReadStream("fixtures/orders.csv") as AsyncIterable<Uint8Array>;
    const { orders, rejects } = await readAll(
      readCsvOrders(input, { fileName: "orders.csv", partial: true }),
    );
    const told = orders.map(({ order }) => [order.orderId, order.lines.length, order.total.amountMinor]);
    expect(told).toEqual([
      ["7003", 2, 2304],
      ["7004", 2, 2508],
      ["7001", 4, 3192],
      ["7008", 1, 1999],
      ["7010", 1, 150],
    ]);
    expect(rejects).toHaveLength(17);
  });

  test.each([1, 2, 7, 64])("reads the same in pieces of %i bytes", async (size) => {
    const whole = await readFixture(createReadStream("fixtures/orders.csv"));
    expect(await readFixture(inPieces(readFileSync("fixtures/orders.csv"), size))).toEqual(whole);
  });
});

describe("a CSV file", () => {
  test("may name its columns as it likes", async () => {
    const rows = [
      "price;x,item,Invoice,currency,pieces",
      "9.99,LAMP,A-1,EUR,3",
      "1200,LAMP,A-2,JPY,1",
      "5,LAMP,A-3,,1",
    ];
    const mapping = {
      order: "Invoice",
      sku: "item",
      quantity: "pieces",
      price: "price;x",
      currency: "currency",
    };
    const { orders, rejects } = await read(rows, { mapping });
    expect(rejects).toEqual([]);
    expect(orders.map(({ order }) => order)).toMatchObject([
      { orderId: "A-1", customerId: "", total: { amountMinor: 2997, currency: "EUR" }, createdAtUs: null },
      { orderId: "A-2", total: { amountMinor: 1200, currency: "JPY" } },
      { orderId: "A-3", total: { amountMinor: 500, currency: "USD" } },
    ]);
  });

  test("is priced in the currency asked for", async () => {
    const { orders } = await read([header, goodRow("1")], { currency: "KWD" });
    expect(orders[0]?.order.total).toEqual({ amountMinor: 8400, currency: "KWD" });
  });

  test("without a column that is needed is refused, with its name and a hint", async () => {
    const reading = read(["InvoiceNo,Item,Quantity,UnitPrice", "1,A,1,1", "2,A,1,1"]);
    await expect(reading).rejects.toMatchObject({
      code: "bad_message",
      message: expect.stringContaining('it has no column "StockCode" (sku)'),
      hint: expect.stringContaining("--map"),
    });
  });

  test("without a column that the mapping names is refused, even if orders could do without it", async () => {
    const reading = read([header, goodRow("1")], { mapping: { customer: "Buyer" } });
    await expect(reading).rejects.toMatchObject({
      message: expect.stringContaining('it has no column "Buyer" (customer)'),
      hint: undefined,
    });
  });

  test("ends at a quote that is never closed: rows of any order may be behind it", async () => {
    const rows = [header, goodRow("1"), goodRow("2"), '3,A,"never closed', goodRow("4")];
    await expect(read(rows)).rejects.toMatchObject({
      code: "bad_message",
      message: expect.stringContaining("orders.csv:4: a quote opens here and is never closed"),
      hint: expect.stringContaining("--partial"),
    });
    const { orders, rejects } = await read(rows, { partial: true });
    expect(orders.map(({ order }) => order.orderId)).toEqual(["1", "2"]);
    expect(rejects).toMatchObject([{ row: 4, reason: "a quote opens here and is never closed" }]);
  });

  // The second row used to be taken for a part of the first one, and to be lost.
  test.each([
    ['1,A,"open,2,3/1/24 8:26,4.20,C-1,France', '2,"B",shut,2,3/1/24 8:26,4.20,C-1,France'],
    ['1,A,"open,2,3/1/24 8:26,4.20,C-1,France', '2,B,6",2,3/1/24 8:26,4.20,C-1,France'],
  ])("ends at a quote that swallows other rows: %s", async (...rows) => {
    await expect(read([header, ...rows, goodRow("3")])).rejects.toMatchObject({
      message: expect.stringContaining("orders.csv:2: a quote opens here and closes in line 3 or not at all"),
    });
  });

  test("does not hold a row of many megabytes in memory", async () => {
    const piece = Buffer.alloc(1 << 20, "x");
    async function* endless() {
      yield Buffer.from(`${header}\n${goodRow("1")}\n2,"`);
      for (let count = 0; count < 100; count++) yield piece;
    }
    const before = process.memoryUsage().arrayBuffers;
    const reading = readAll(readCsvOrders(endless(), { fileName: "endless.csv" }));
    await expect(reading).rejects.toThrow("endless.csv:3: longer than 1048576 bytes");
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(50 << 20);
  });

  test("that does not exist is an error of usage that names it", async () => {
    const reading = readAll(
      readCsvOrders(createReadStream("fixtures/no-such.csv"), { fileName: "no-such.csv" }),
    );
    await expect(reading).rejects.toMatchObject({
      code: "usage",
      message: expect.stringContaining("cannot read no-such.csv: ENOENT"),
    });
  });

  test("is let go of when nobody reads on", async () => {
    const input = inPieces(
      [header, ...Array.from({ length: 5000 }, (_, index) => goodRow(`${index}`))].join("\n"),
      64,
    );
    for await (const item of readCsvOrders(input, { fileName: "orders.csv" })) {
      if ("order" in item) break;
    }
    expect(input.destroyed).toBe(true);
  });
});
