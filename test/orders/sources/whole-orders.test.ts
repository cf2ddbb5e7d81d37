import { describe, expect, test } from "vitest";
import { type CsvOptions, readCsvOrders } from "../../../src/orders/sources/csv-orders.ts";
import { inPieces, readAll } from "./read-items.ts";

const header = "InvoiceNo,StockCode,Quantity,UnitPrice,CustomerID,Currency";

async function read(rows: string[], options: Partial<CsvOptions> = {}) {
  const items = readCsvOrders(inPieces([header, ...rows].join("\n")), { fileName: "orders.csv", ...options });
  const { orders, rejects } = await readAll(items);
  return {
    orders: orders.map(
      ({ order }) =>
        `${order.orderId} ${order.lines.map(({ sku }) => sku).join("")} ${order.total.amountMinor}`,
    ),
    rejects: rejects.map(({ row, reason }) => `${row}: ${reason}`),
    texts: rejects.map(({ text }) => text),
  };
}

describe("an order of a CSV file", () => {
  // It was stored, and charged, with 1.00 instead of 8.00.
  test("is rejected whole where one row of it is wrong, and each of its rows is named", async () => {
    const rows = ['1,A,2,"3,50",,', "1,B,1,1.00,,", "2,C,1,1.00,,", "1,D,1,1,,"];
    expect(await read(rows)).toEqual({
      orders: ["2 C 100"],
      rejects: [
        '2: "3,50" has a decimal comma, this file a decimal point; --decimal , reads it',
        "3: another row of this order is wrong: line 2",
        "5: another row of this order is wrong: line 2",
      ],
      texts: ["1,A,2,3,50,,", "1,B,1,1.00,,", "1,D,1,1,,"],
    });
    expect((await read(rows, { partial: true })).orders).toEqual(["2 C 100", "1 BD 200"]);
  });

  test("is made of all its rows, wherever they stand, and comes with the last of them", async () => {
    const { orders, rejects } = await read(["1,A,1,1,,", "2,B,1,1,,", "3,C,1,1,,", "2,D,1,1,,", "1,E,1,1,,"]);
    expect(orders).toEqual(["3 C 100", "2 BD 200", "1 AE 200"]);
    expect(rejects).toEqual([]);
  });

  test("is rejected as well where the wrong row is the last one of the file, long after the others", async () => {
    const others = Array.from({ length: 5000 }, (_, index) => `x${index},B,1,1,,`);
    const { orders, rejects } = await read(["1,A,1,1,,", ...others, "1,A,0,1,,"]);
    expect(orders).toHaveLength(5000);
    expect(rejects).toEqual([
      "2: another row of this order is wrong: line 5003",
      "5003: quantity is 0, not above zero",
    ]);
  });

  test("is rejected where a row of it has a column too many or too few, whatever stands there", async () => {
    const { orders, rejects } = await read(["1,A,1,1,,", "1,B,1,3,50,,", "2,A,1,1,,", "2,B,1"]);
    expect(orders).toEqual([]);
    expect(rejects).toEqual([
      "2: another row of this order is wrong: line 3",
      "3: 7 columns, the header has 6",
      "4: another row of this order is wrong: line 5",
      "5: 3 columns, the header has 6",
    ]);
  });

  test("is found behind a column too many where its number does not come first", async () => {
    const mapping = { order: "No", sku: "Item", quantity: "Qty", price: "Each" };
    const file = "Item,Qty,Each,No\nA,1,1,7\nB,1,3,50,7\nC,1,1,8\n";
    const items = await readAll(readCsvOrders(inPieces(file), { fileName: "f", mapping }));
    expect(items.orders.map(({ order }) => order.orderId)).toEqual(["8"]);
    expect(items.rejects.map(({ row }) => row)).toEqual([3, 2]);
  });

  test("has one currency and one customer", async () => {
    const rows = ["1,A,1,1,,EUR", "1,B,1,1,,USD", "2,A,1,1,c-1,", "2,B,1,1,,", "2,C,1,1,c-2,"];
    expect(await read(rows)).toMatchObject({
      orders: [],
      rejects: [
        "2: another row of this order is wrong: line 3",
        "3: currency USD differs from EUR in the rows before",
        "4: another row of this order is wrong: line 6",
        "5: another row of this order is wrong: line 6",
        '6: customer "c-2" differs from that of the rows before',
      ],
    });
    expect((await read(rows, { partial: true })).orders).toEqual(["1 A 100", "2 AB 200"]);
  });

  test("is rejected whole where it has more lines than an order may have, or adds up to too much", async () => {
    const long = Array.from({ length: 2001 }, () => "1,A,1,1,,");
    const { orders, rejects } = await read([...long, "2,B,1,1,,", "3,C,2000000000,90000000,,"]);
    expect(orders).toEqual(["2 B 100"]);
    expect(rejects).toHaveLength(2002);
    expect(rejects[0]).toBe("2: order 1 has 2001 rows, 2000 are the most");
    expect(rejects[2001]).toMatch(/^2004: total is \S+, not a whole number/);
    const partly = await read(long, { partial: true });
    expect(partly.orders).toEqual([`1 ${"A".repeat(2000)} 200000`]);
    expect(partly.rejects).toEqual(["2002: more than 2000 lines in one order"]);
  });

  test("is rejected where a date of it can be two days", async () => {
    const file =
      "InvoiceNo,StockCode,Quantity,UnitPrice,InvoiceDate\n1,A,1,1,01/12/2010\n1,B,1,1,\n2,A,1,1,2010-12-01";
    const items = await readAll(readCsvOrders(inPieces(file), { fileName: "f" }));
    expect(items.orders.map(({ order }) => order.orderId)).toEqual(["2"]);
    expect(items.rejects.map(({ reason }) => reason)).toEqual([
      expect.stringContaining('date "01/12/2010": can be day/month or month/day'),
      "another row of this order is wrong: line 2",
    ]);
    const stated = readCsvOrders(inPieces(file), { fileName: "f", dateFormat: "DD/MM/YYYY" });
    expect((await readAll(stated)).rejects.map(({ reason }) => reason)).toEqual([
      'date "2010-12-01" is not a date written DD/MM/YYYY',
    ]);
  });
});

describe("the memory for a CSV file", () => {
  const limits = { orders: 100, heldRows: 50 };

  test("is for so many orders; more are refused before any comes", async () => {
    const rows = Array.from({ length: 101 }, (_, index) => `${index},A,1,1,,`);
    await expect(read(rows, { limits })).rejects.toMatchObject({
      code: "too_large",
      message: "a CSV file has at most 100 orders",
      hint: expect.stringContaining("split"),
    });
    expect((await read(rows.slice(1), { limits })).orders).toHaveLength(100);
  });

  test("is for so many rows of orders that go on later; more are refused with the way out", async () => {
    const rows = Array.from({ length: 51 }, (_, index) => `${index},A,1,1,,`);
    await expect(read([...rows, ...rows], { limits })).rejects.toMatchObject({
      code: "too_large",
      message: "line 52: more than 50 rows of orders that go on later in the file",
      hint: expect.stringContaining("sort"),
    });
    const few = rows.slice(0, 50);
    expect((await read([...few, ...few], { limits })).orders).toHaveLength(50);
  });
});
