import { createReadStream, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { readJsonOrders } from "../../../src/orders/sources/json-orders.ts";
import { inPieces, readAll } from "./read-items.ts";

const fixture = "fixtures/orders.ndjson";
const readFixture = (input: NodeJS.ReadableStream = createReadStream(fixture)) =>
  readAll(readJsonOrders(input as AsyncIterable<Uint8Array>, { fileName: fixture }));

const read = (text: string, currency?: string) =>
  readAll(readJsonOrders(inPieces(text), { fileName: "orders.ndjson", currency }));

describe("a messy NDJSON file", () => {
  test("gives an order for every line that is one", async () => {
    const { orders } = await readFixture();
    expect(
      orders.map(({ row, order }) => [row, order.orderId, order.customerId, order.lines.length, order.total]),
    ).toEqual([
      [1, "nd-1", "c-1", 2, { amountMinor: 1435, currency: "EUR" }],
      [2, "nd-2", "c-2", 1, { amountMinor: 1200, currency: "JPY" }],
      [3, "cc10323867291d03f633f479a95a5be7", "c-3", 1, { amountMinor: 105, currency: "USD" }],
      [4, "nd-4", "c-4", 0, { amountMinor: 1999, currency: "USD" }],
      [6, "nd-5", "Zoë 雪", 1, { amountMinor: 800, currency: "USD" }],
      [7, "nd-6", "", 1, { amountMinor: 0, currency: "USD" }],
      [28, "nd-27", "the last line has no line break", 0, { amountMinor: 10, currency: "USD" }],
    ]);
    expect(orders[1]?.order.createdAtUs).toBe(1_709_281_560_000_000);
  });

  test("says of every other line which it is and why", async () => {
    const { rejects } = await readFixture();
    // What follows "not JSON: " is the runtime's own wording.
    expect(
      rejects.map(({ row, reason }) => `${row}: ${reason.replace(/(?<=not JSON): .*/, "")}`),
    ).toMatchInlineSnapshot(`
      [
        "8: not JSON",
        "9: not a JSON object",
        "10: order_id is not 1 to 64 letters, digits, '-' or '_'",
        "11: customer_id is not a string",
        "12: neither lines nor a total",
        "13: currency "euro" is not three capital letters",
        "14: total_amount: "a lot" is not an amount",
        "15: total is -100, not a whole number from 0 to 2^53 - 1",
        "16: total is 12.5, not a whole number from 0 to 2^53 - 1",
        "17: total is 9007199254740992, not a whole number from 0 to 2^53 - 1",
        "18: lines is not a list",
        "19: lines[0] is not a JSON object",
        "20: lines[0].sku is empty",
        "21: lines[0].quantity is 0, not a whole number from 1 to 2147483647",
        "22: lines[0].quantity is 1.5, not a whole number from 1 to 2147483647",
        "23: lines[0].unit_price is missing",
        "24: lines[0].quantity is missing",
        "25: lines[0].unit_price is neither a number nor a decimal string",
        "26: not UTF-8",
        "27: customer_id is not well-formed text",
      ]
    `);
    expect(rejects[0]?.text).toContain('"order_id":"nd-7"');
  });

  test.each([1, 3, 64])("reads the same in pieces of %i bytes", async (size) => {
    expect(await readFixture(inPieces(readFileSync(fixture), size))).toEqual(await readFixture());
  });
});

describe("an NDJSON order without an id", () => {
  const line = '{"customer_id":"c-1","total_amount":5}';

  test("gets the same one from the same file, whatever its line breaks", async () => {
    expect((await read(`${line}\n`)).orders).toEqual((await read(`${line}\r\n`)).orders);
  });

  test("gets another one on another line, so that two alike stay two", async () => {
    const { orders } = await read(`${line}\n${line}\n`);
    expect(new Set(orders.map(({ order }) => order.orderId)).size).toBe(2);
  });
});

describe("an NDJSON file", () => {
  test("is in the currency asked for where a line names none", async () => {
    const { orders } = await read('{"total_amount":5}\n{"total_amount":5,"currency":"USD"}', "JPY");
    expect(orders.map(({ order }) => order.total)).toEqual([
      { amountMinor: 5, currency: "JPY" },
      { amountMinor: 500, currency: "USD" },
    ]);
  });

  test("of a replay gives its orders, and takes no other event for one", async () => {
    const lines = '"currency":"USD","total_minor":5,"lines":[{"sku":"A","quantity":1,"unit_price_minor":5}]';
    const { orders, rejects } = await read(
      `{"order_id":"a",${lines}}\n{"subject":"ORDERS.payments.b","kind":"payments","order_id":"b",${lines}}`,
    );
    expect(orders.map(({ order }) => order.orderId)).toEqual(["a"]);
    expect(rejects).toMatchObject([{ row: 2, reason: "an event of kind payments, which is no order" }]);
  });

  test("may hold lines of many megabytes: they are rejected, not kept in memory", async () => {
    const piece = Buffer.alloc(1 << 20, "x");
    async function* long() {
      yield Buffer.from('{"order_id":"a","total_amount":1}\n{"order_id":"b","note":"');
      for (let count = 0; count < 100; count++) yield piece;
      yield Buffer.from('"}\n{"order_id":"c","total_amount":1}');
    }
    const before = process.memoryUsage().arrayBuffers;
    const { orders, rejects } = await readAll(readJsonOrders(long(), { fileName: "long.ndjson" }));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(50 << 20);
    expect(orders.map(({ row, order }) => [row, order.orderId])).toEqual([
      [1, "a"],
      [3, "c"],
    ]);
    expect(rejects).toMatchObject([{ row: 2, reason: "longer than 1048576 bytes" }]);
    expect(rejects[0]?.text.length).toBeLessThan(200);
  });

  test("that does not exist is an error of usage that names it", async () => {
    await expect(readFixture(createReadStream("fixtures/none"))).rejects.toMatchObject({
      code: "usage",
      message: expect.stringContaining(`cannot read ${fixture}: ENOENT`),
    });
  });
});

describe("a JSON file of another form", () => {
  const orders = ["a", "b"].map((id) => ({
    order_id: id,
    customer_id: 'a "]" and a \\',
    lines: [{ sku: "[{", quantity: 1, unit_price: "1.00" }],
  }));
  const idsOf = async (text: string) =>
    (await read(text)).orders.map(({ row, order }) => `${row} ${order.orderId}`);

  test.each([
    ["an array in one line", JSON.stringify(orders), ["1 a", "1 b"]],
    ["an array over lines", JSON.stringify(orders, null, 2), ["2 a", "13 b"]],
    [
      "an array over lines that end with CRLF",
      JSON.stringify(orders, null, 2).replaceAll("\n", "\r\n"),
      ["2 a", "13 b"],
    ],
    [
      "an array with an order on each line",
      `\n [\n${orders.map((order) => JSON.stringify(order)).join(",\n")}\n]\n`,
      ["3 a", "4 b"],
    ],
    [
      "orders over several lines",
      orders.map((order) => JSON.stringify(order, null, 2)).join("\n"),
      ["1 a", "12 b"],
    ],
    ["lines that end with CR", orders.map((order) => JSON.stringify(order)).join("\r"), ["1 a", "2 b"]],
    ["UTF-16", `\ufeff${JSON.stringify(orders)}`, ["1 a", "1 b"]],
  ])("is read: %s", async (_, text, ids) => {
    const utf16 = text.startsWith("\ufeff") ? Buffer.from(text, "utf16le") : text;
    for (const size of [1, 7, 1 << 16]) {
      const { orders: found, rejects } = await readAll(
        readJsonOrders(inPieces(utf16, size), { fileName: "f" }),
      );
      expect(rejects).toEqual([]);
      expect(found.map(({ row, order }) => `${row} ${order.orderId}`)).toEqual(ids);
    }
  });

  test("costs an order that is none only itself, and ends where the array is broken", async () => {
    const good = (id: string) => `{"order_id":"${id}","total_minor":1}`;
    const { orders: found, rejects } = await read(
      `[${good("a")},\n7, "x", {"a":},\n${good("b")}\n${good("c")}]`,
    );
    expect(found.map(({ order }) => order.orderId)).toEqual(["a", "b"]);
    expect(
      rejects.map(({ row, reason }) => `${row}: ${reason.replace(/(?<=not JSON): [^a].*/, "")}`),
    ).toEqual([
      "2: not a JSON object",
      "2: not a JSON object",
      "2: not JSON",
      '4: not JSON: a "," or "]" is missing before this; nothing from here on was read',
    ]);
  });

  test.each([
    ['[{"total_minor":1}', "1: not JSON: the file ends before the array does"],
    ['[\n{"total_minor":1', "2: not JSON: the file ends within this value"],
    ['[{"total_minor":1}] x', "1: not JSON: there is more after the end of the array"],
    ['[{"total_minor":1},]', '1: not JSON: "]" stands where a value should'],
    ['{\n"total_minor":1},{}', '2: not JSON: "," stands where a value should'],
  ])("says where it is broken: %s", async (text, reason) => {
    const { rejects } = await read(text);
    expect(rejects.map((reject) => `${reject.row}: ${reject.reason}`)).toEqual([
      `${reason}; nothing from here on was read`,
    ]);
  });

  test("keeps alike orders without an id apart, and gives them the same ids again", async () => {
    const ids = await idsOf('[{"total_minor":1},{"total_minor":1}]');
    expect(new Set(ids).size).toBe(2);
    expect(await idsOf('[{"total_minor":1},{"total_minor":1}]')).toEqual(ids);
  });

  test("does not hold an element of many megabytes in memory", async () => {
    const piece = Buffer.alloc(1 << 20, "x");
    async function* long() {
      yield Buffer.from('[{"order_id":"a","total_minor":1},{"order_id":"b","note":"');
      for (let count = 0; count < 100; count++) yield piece;
      yield Buffer.from('"},{"order_id":"c","total_minor":1}]');
    }
    const before = process.memoryUsage().arrayBuffers;
    const { orders: found, rejects } = await readAll(readJsonOrders(long(), { fileName: "long.json" }));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(50 << 20);
    expect(found.map(({ order }) => order.orderId)).toEqual(["a", "c"]);
    expect(rejects).toMatchObject([{ row: 1, reason: "longer than 1048576 bytes" }]);
  });
});

describe("an order in JSON", () => {
  test("may say its total and prices twice, if both agree", async () => {
    const { orders, rejects } = await read(
      [
        '{"order_id":"a","total_amount":"1.00","total_minor":100}',
        '{"order_id":"b","total_amount":"1.00","total_minor":1}',
        '{"order_id":"c","lines":[{"sku":"A","quantity":1,"unit_price":1,"unit_price_minor":1}]}',
      ].join("\n"),
    );
    expect(orders.map(({ order }) => order.orderId)).toEqual(["a"]);
    expect(rejects.map(({ reason }) => reason)).toEqual([
      "total_amount and total_minor differ",
      "lines[0].unit_price and unit_price_minor differ",
    ]);
  });

  // It used to be rounded, to 852 for two.
  test("is rejected where an amount has more digits than its currency", async () => {
    const { orders, rejects } = await read(
      '{"order_id":"a","lines":[{"sku":"A","quantity":2,"unit_price":4.255}]}',
    );
    expect(orders).toEqual([]);
    expect(rejects.map(({ reason }) => reason)).toEqual([
      'lines[0].unit_price: "4.255" has more than the 2 decimals of USD',
    ]);
  });
});
