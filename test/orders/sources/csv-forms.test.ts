import { createReadStream } from "node:fs";
import { describe, expect, test } from "vitest";
import { type CsvOptions, readCsvOrders } from "../../../src/orders/sources/csv-orders.ts";
import { inPieces, readAll } from "./read-items.ts";

const header = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country";
const rows = [
  "536365,85123A,WHITE HANGING HEART,6,2010-12-01 8:26,2.55,17850,United Kingdom".replace(" 8", " 08"),
  "536366,71053,WHITE METAL LANTERN,6,2010-12-01 08:28,3.39,17850,France",
];
const file = [header, ...rows];

async function read(text: string | Buffer, options: Partial<CsvOptions> = {}, size = 1 << 16) {
  return readAll(readCsvOrders(inPieces(text, size), { fileName: "orders.csv", ...options }));
}

const with_ = (separator: string, lines = file) => lines.map((line) => line.replaceAll(",", separator));
const comma = (lines: string[]) => lines.map((line) => line.replace(/;(\d)\.(\d\d);/, ";$1,$2;"));

describe("a CSV file as people have it", () => {
  test.each<[string, string | Buffer, Partial<CsvOptions>?]>([
    ["with commas", file.join("\n")],
    ["with CRLF", `${file.join("\r\n")}\r\n`],
    // It used to be one row of many columns: exit 0, and nothing stored.
    ["with CR only", `${file.join("\r")}\r`],
    ["with semicolons and decimal commas", comma(with_(";")).join("\r\n")],
    ["with semicolons and decimal points, which it says", with_(";").join("\n"), { decimal: "." }],
    ["with tabs", with_("\t").join("\n")],
    ["with bars", with_("|").join("\n")],
    ["with a separator nobody thinks of, which it says", with_("~").join("\n"), { separator: "~" }],
    ["with a first line that names the separator", `sep=,\r\n${file.join("\r\n")}`],
    ["with such a line for semicolons", `sep=;\n${comma(with_(";")).join("\n")}`],
    ["with such a line for tabs", `sep=\t\n${with_("\t").join("\n")}`],
    ["with such a line in quotes, for another separator", `"sep=^"\n${with_("^").join("\n")}`],
    ["with titles before the header", `Orders, of "2010\n\nby: me\n${file.join("\n")}`, { skipLines: 3 }],
    ["with empty lines everywhere", `\n\n${file.join("\n\n")}\n\n,,,,,,,\n \n`],
    [
      "with a header in other letters, in quotes and spaces",
      file
        .join("\n")
        .replace(
          header,
          ' invoiceno ,"STOCKCODE",Description,quantity,InvoiceDate, " unitprice ",CustomerID,Country'.replace(
            ', " unitprice "',
            ',"\u00a0unitprice "',
          ),
        ),
    ],
    ["with a UTF-8 byte order mark", `\ufeff${file.join("\n")}`],
    ["in UTF-16, little end first", Buffer.from(`\ufeff${with_("\t").join("\r\n")}`, "utf16le")],
    ["in UTF-16, big end first", Buffer.from(`\ufeff${with_("\t").join("\r\n")}`, "utf16le").swap16()],
  ])("is read: %s", async (_, text, options = {}) => {
    for (const size of [1, 7, 1 << 16]) {
      const { orders, rejects } = await read(text, options, size);
      expect(rejects).toEqual([]);
      expect(orders.map(({ order }) => order)).toMatchObject([
        {
          orderId: "536365",
          lines: [{ sku: "85123A", quantity: 6, unitPriceMinor: 255 }],
          total: { currency: "GBP" },
        },
        {
          orderId: "536366",
          customerId: "17850",
          total: { amountMinor: 2034 },
          createdAtUs: 1_291_192_080_000_000,
        },
      ]);
    }
  });

  test("has the line numbers of an editor, whatever stands before its rows", async () => {
    const text = [
      "sep=;",
      "Orders",
      ...comma(with_(";")),
      '"1\r\n2";A;"two\nlines";x;;1;;',
      "3;A;;x;;1;;",
    ].join("\r\n");
    const { orders, rejects } = await read(text, { skipLines: 2 });
    expect(orders.map(({ row }) => row)).toEqual([4, 5]);
    expect(rejects.map(({ row }) => row)).toEqual([6, 9]);
  });

  test("has thousands as its separator suggests them", async () => {
    const mapping = { order: "No", sku: "Item", quantity: "Qty", price: "Each" };
    const points = 'No,Item,Qty,Each\n1,A,1,"1,234.50"\n2,A,1 000,1\n3,A,1,"1,234"\n';
    const one = await read(points, { mapping });
    expect(one.orders.map(({ order }) => order.total.amountMinor)).toEqual([123_450, 100_000]);
    expect(one.rejects.map(({ reason }) => reason)).toEqual([
      expect.stringContaining('"1,234" can be 1234 or 1.234'),
    ]);
    const commas = "No;Item;Qty;Each\n1;A;1;1.234,50\n2;A;2,0;1'000,5\n3;A;1;1,234\n4;A;1,5;1\n5;A;1e3;1\n";
    const two = await read(commas, { mapping, currency: "EUR" });
    expect(two.orders.map(({ order }) => order.total.amountMinor)).toEqual([123_450, 200_100]);
    expect(two.rejects.map(({ reason }) => reason)).toEqual([
      '"1.234" has more than the 2 decimals of EUR',
      'quantity "1,5" is not a whole number',
      'quantity "1e3" is not a whole number',
    ]);
  });

  test("has cancellations only where it has the retail columns", async () => {
    const cancelled = await read(`${header}\nC1,A,x,1,,1,,\nc2,A,x,1,,1,,`);
    expect(cancelled.orders).toEqual([]);
    expect(cancelled.rejects.map(({ reason }) => reason)).toEqual([
      "invoice C1 is a cancellation",
      "invoice c2 is a cancellation",
    ]);
    const mapping = { order: "Number", sku: "Item", quantity: "Qty", price: "Each" };
    const { orders } = await read("Number,Item,Qty,Each\nC1,A,1,1\n", { mapping });
    expect(orders.map(({ order }) => order.orderId)).toEqual(["C1"]);
  });
});

describe("a header that is not understood", () => {
  const refusal = (text: string, options: Partial<CsvOptions> = {}) =>
    read(text, options).then(
      () => undefined,
      ({ code, message, hint }) => ({ code, message, hint }),
    );

  test("is shown, with the separator that was tried", async () => {
    expect(await refusal("a;b;c\n1;2;3")).toEqual({
      code: "bad_message",
      message:
        'cannot read the header of orders.csv: it has no column "InvoiceNo" (order); line 1 is "a;b;c", 3 columns when split at ";"',
      hint: "--map order=Invoice,sku=Item,… names the columns of other files",
    });
    expect((await refusal(with_(";").join("\n"), { separator: "\t" }))?.message).toContain(
      "1 column when split at tabs",
    );
  });

  test("is looked for in the lines below, and the way to it told", async () => {
    expect((await refusal(`Orders\nof 2010\n${file.join("\n")}`))?.hint).toBe(
      "line 3 looks like the header: --skip-lines 2",
    );
  });

  test.each(["Quantity", " quantity", "DESCRIPTION"])("is refused with a column twice: %s", async (name) => {
    expect(await refusal(`${header},${name}\n`)).toMatchObject({
      message: expect.stringContaining(`it has the column "${name.trim().toLowerCase()}" twice`),
      hint: expect.stringContaining("rename"),
    });
  });

  test.each([
    ["", "orders.csv is empty"],
    ["\n\n \r\n", "orders.csv is empty"],
    ["a\nb\n", "orders.csv has no header after 2 lines"],
  ])("is missed: %j", async (text, message) => {
    expect(await refusal(text, { skipLines: 2 })).toMatchObject({ code: "bad_message", message });
  });

  test.each([
    ["PK\u0003\u0004 and so on", "a workbook or a ZIP archive"],
    ["\u001f\u008b and so on", "compressed by gzip"],
    ["I\0n\0v\0o\0", "not UTF-8, or UTF-16 without a byte order mark"],
  ])("is none at all: %j", async (text, what) => {
    expect(await refusal(Buffer.from(text, "latin1") as never)).toMatchObject({
      code: "bad_message",
      message: expect.stringContaining(what),
      hint: expect.any(String),
    });
  });

  test("ends the reading of its file", async () => {
    const input = createReadStream("fixtures/orders.ndjson");
    await expect(readAll(readCsvOrders(input, { fileName: "f" }))).rejects.toMatchObject({
      code: "bad_message",
    });
    expect(input.destroyed).toBe(true);
  });
});
