import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { eventsOf, readLog } from "../support/read-log.ts";
import { runCommand } from "../support/run-command.ts";
import { startTestBroker, type TestBroker } from "../support/start-test-broker.ts";
import { until } from "../support/until.ts";

let broker: TestBroker;
let connection: Connection;
let dir: string;

beforeAll(async () => {
  broker = await startTestBroker();
  connection = await openTestConnection(broker.url);
});

afterAll(async () => {
  await connection.close();
  await broker.stop();
});

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "orderctl-publish-"));
});

afterEach(async () => {
  // Not every test made one.
  await connection.jsm.streams.delete("ORDERS").catch(() => false);
  rmSync(dir, { recursive: true });
});

const publish = (words: string, stdin?: string) =>
  runCommand(`publish order ${words} --server ${broker.url}`, stdin === undefined ? {} : { stdin });

const storedIds = async () => eventsOf(await readLog(connection), "created").map(({ orderId }) => orderId);

const csvOrders = ["7004", "7001"];

describe("publish order --file", () => {
  it("stores the whole orders of a CSV file, names every row of the others, and exits 6", async () => {
    const ran = await publish("--file fixtures/orders.csv");
    expect(ran.exitCode).toBe(6);
    expect(await storedIds()).toEqual(csvOrders);
    expect(ran.stdout).toMatch(/^2 orders stored in .*, from fixtures\/orders\.csv\n/);
    const rejected = Number(/^(\d+) rows are rejected:$/m.exec(ran.stdout)?.[1]);
    const rows = ran.stdout.match(/^ {2}fixtures\/orders\.csv:\d+: .+$/gm) ?? [];
    expect([rejected, rows.length]).toEqual([21, 20]);
    expect(rows.slice(0, 3)).toEqual([
      "  fixtures/orders.csv:5: invoice C7002 is a cancellation",
      "  fixtures/orders.csv:6: another row of this order is wrong: line 7",
      "  fixtures/orders.csv:7: price is 0 GBP, not above zero",
    ]);
  });

  it("stores the orders of an NDJSON file, those without an id under the same one each time", async () => {
    const first = await publish("--file fixtures/orders.ndjson --json");
    const ids = await storedIds();
    const second = await publish("--file fixtures/orders.ndjson --json");
    expect([first.exitCode, second.exitCode]).toEqual([6, 6]);
    expect(ids).toContain("nd-1");
    expect(await storedIds()).toEqual(ids);
    expect(second.lines()[0]?.data).toMatchObject({ stored: 0, duplicates: ids.length });
  });

  it("is stopped while a pipe has nothing to tell, and says what is stored", async () => {
    const pipe = new PassThrough();
    pipe.write('{"order_id":"piped-1","total_amount":1}\n{"order_id":"half');
    const stop = new AbortController();
    const words = `publish order --file - --format ndjson --server ${broker.url}`;
    const running = runCommand(words, { stdin: pipe, signal: stop.signal });
    await until(async () => (await storedIds().catch(() => [])).length > 0);
    stop.abort("SIGINT");
    const ran = await running;
    expect(ran.exitCode).toBe(130);
    expect(ran.stdout).toMatch(/^1 order stored in /);
    expect(ran.stdout).not.toContain("rejected");
  });

  it("exits 0 in spite of them with --skip-invalid", async () => {
    const ran = await publish("--file fixtures/orders.csv --skip-invalid");
    expect(ran.exitCode).toBe(0);
    expect(ran.stdout).toMatch(/^\d+ rows are rejected:$/m);
  });

  it("writes every reject to the file of --rejects, also beyond those it shows", async () => {
    const file = join(dir, "rejects.ndjson");
    const good = '{"order_id":"good-1","lines":[{"sku":"MUG","quantity":1,"unit_price":"1.00"}]}';
    const bad = Array.from({ length: 60 }, (_, index) => `{"order_id":"bad ${index}","total_minor":1}`);
    const ran = await publish(`--file - --format ndjson --rejects ${file}`, [...bad, good].join("\n"));
    expect(ran.exitCode).toBe(6);
    expect(ran.stdout).toContain("60 rows are rejected:");
    expect(ran.stdout).toContain("and 40 more");
    expect(await storedIds()).toEqual(["good-1"]);
    const rejects = readFileSync(file, "utf8").trimEnd().split("\n");
    expect(rejects.map((line) => JSON.parse(line).row)).toEqual(
      Array.from({ length: 60 }, (_, index) => index + 1),
    );
    expect(JSON.parse(rejects[0] ?? "")).toEqual({
      row: 1,
      reason: expect.stringContaining("order_id"),
      text: bad[0],
    });
  });

  // It used to store every order first.
  it("exits 8 and stores nothing where the rejects cannot be written", async () => {
    const ran = await publish(`--file fixtures/orders.csv --rejects ${join(dir, "missing", "rejects")}`);
    expect(ran).toMatchObject({ exitCode: 8, stdout: "" });
    expect(ran.stderr).toContain("cannot write the rejects");
    expect(await connection.jsm.streams.names().next()).not.toContain("ORDERS");
  });

  it.each([
    "--map order=No",
    "--format csv",
    "--currency EUR",
    "--rejects none",
    "--separator ;",
    "--decimal ,",
    "--date-format DD/MM/YYYY",
    "--skip-lines 2",
    "--partial",
    "--dry-run",
  ])("refuses %s without a file, which it would be about", async (words) => {
    const ran = await publish(words);
    expect(ran).toMatchObject({ exitCode: 2, stdout: "" });
    expect(ran.stderr).toContain("--file");
  });

  it.each([
    "--count 5",
    "--seed 1",
  ])("refuses %s beside a file, whose orders it would not change", async (words) => {
    const ran = await publish(`--file fixtures/orders.csv ${words}`);
    expect(ran).toMatchObject({ exitCode: 2, stdout: "" });
    expect(ran.stderr).toContain("cannot be used with option '-f, --file <file>'");
  });

  it("says nothing but the error where the file is not there, or its header is not understood", async () => {
    const missing = await publish("--file nowhere.csv");
    expect(missing).toMatchObject({ exitCode: 2, stdout: "" });
    expect(missing.stderr).toContain("cannot read nowhere.csv");
    const unknown = await publish("--file - --format csv --skip-invalid", "No,Item\na-1,MUG\n");
    expect(unknown).toMatchObject({ exitCode: 6, stdout: "" });
    expect(unknown.stderr).toContain('it has no column "InvoiceNo" (order)');
  });

  it("names orders that are others than those stored under their ids, and exits 6", async () => {
    const order = (id: string, units: number) =>
      JSON.stringify({ order_id: id, lines: [{ sku: "MUG", quantity: units, unit_price: "1.00" }] });
    const words = "--file - --format ndjson";
    expect((await publish(words, [order("a", 1), order("b", 1)].join("\n"))).exitCode).toBe(0);
    const changed = [order("a", 1), order("b", 9), order("c", 1), order("c", 2)].join("\n");
    const ran = await publish(words, changed);
    expect(ran.exitCode).toBe(6);
    expect(ran.stdout).toMatch(/^1 order stored .*; 3 were already stored\n/);
    expect(ran.stdout).toContain("2 orders are others than what is stored under the same id: b, c\n");
    expect((await publish(`${words} --skip-invalid`, changed)).exitCode).toBe(0);
    const quantities = eventsOf(await readLog(connection), "created").map(({ lines }) => lines[0]?.quantity);
    expect(quantities).toEqual([1, 1, 1]);
  });

  // An empty file, and one whose line breaks were not understood, used to be a success.
  it.each([
    ["csv", "InvoiceNo,StockCode,Quantity,UnitPrice\n", "standard input holds no order"],
    ["csv", "InvoiceNo,StockCode,Quantity,UnitPrice\n\n,,,\n", "standard input holds no order"],
    ["csv", "\n\n", "standard input is empty"],
    ["ndjson", "", "standard input holds no order"],
    ["json", "[]", "standard input holds no order"],
  ])("says that a %s file without an order is no success: %j", async (format, text, message) => {
    for (const words of ["", " --skip-invalid", " --dry-run"]) {
      const ran = await publish(`--file - --format ${format}${words}`, text);
      expect(ran).toMatchObject({ exitCode: 6, stdout: "" });
      expect(ran.stderr).toContain(message);
    }
  });

  it("stores the same orders again when a wrong row is mended, as it stored none of them before", async () => {
    const file = (price: string) => `No;Item;Qty;Each\na-1;MUG;2;${price}\na-2;MUG;1;1,00\na-1;TRAY;1;1,00\n`;
    const words = "--file - --format csv --map order=No,sku=Item,quantity=Qty,price=Each";
    const first = await publish(words, file("3.50"));
    expect(first.exitCode).toBe(6);
    expect(first.stdout).toContain(
      '-:2: "3.50" has a decimal point, this file a decimal comma; --decimal . reads it',
    );
    expect(first.stdout).toContain("-:4: another row of this order is wrong: line 2");
    const second = await publish(words, file("3,50"));
    expect(second).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(/^1 order stored .*; 1 was already/),
    });
    const created = eventsOf(await readLog(connection), "created");
    expect(created.map(({ orderId, total }) => `${orderId} ${total.amountMinor}`)).toEqual([
      "a-2 100",
      "a-1 800",
    ]);
  });

  it("stores what is left of an order with --partial", async () => {
    const text = "InvoiceNo,StockCode,Quantity,UnitPrice\n1,A,1,1\n1,B,0,1\n";
    const ran = await publish("--file - --format csv --partial", text);
    expect(ran).toMatchObject({ exitCode: 6, stdout: expect.stringMatching(/^1 order stored/) });
    expect(eventsOf(await readLog(connection), "created")).toMatchObject([{ total: { amountMinor: 100 } }]);
  });

  it("tells on stderr how it read dates that the file alone makes clear", async () => {
    const text =
      "InvoiceNo,StockCode,Quantity,UnitPrice,InvoiceDate\n1,A,1,1,01/12/2010\n2,A,1,1,13/12/2010\n";
    const ran = await publish("--file - --format csv", text);
    expect(ran.exitCode).toBe(0);
    expect(ran.stderr).toBe('dates are read as D/M/Y, as "13/12/2010" in line 3 shows\n');
    const [first] = eventsOf(await readLog(connection), "created");
    expect(first?.createdAtUs).toBe(Date.UTC(2010, 11, 1) * 1000);
  });

  it.each([
    ["--format ndjson --partial", "--partial is for CSV files only"],
    ["--format json --skip-lines 1", "--skip-lines is for CSV files only"],
    ["--format csv --separator ::", '--separator "::" cannot stand between columns'],
    ["--format csv --date-format dd/mm/yyyy", "--date-format"],
    ["--format csv --currency eur", '--currency "eur" is not three capital letters'],
    ["--format csv --decimal x", "--decimal"],
    ["--format csv --dry-run --wait", "--dry-run stores nothing"],
  ])("refuses %s before it connects", async (words, message) => {
    const ran = await runCommand(`publish order --file - ${words} --server nats://127.0.0.1:1`, {
      stdin: "x",
    });
    expect(ran).toMatchObject({ exitCode: 2, stdout: "" });
    expect(ran.stderr).toContain(message);
  });

  it("reads a CSV file with other columns from standard input", async () => {
    const words = "--file - --format csv --map order=No,sku=Item,quantity=Qty,price=Each --currency JPY";
    const ran = await publish(words, "No,Item,Qty,Each\na-1,MUG,2,400\na-1,TRAY,1,150\na-2,MUG,1,400\n");
    expect(ran.exitCode).toBe(0);
    expect(eventsOf(await readLog(connection), "created")).toMatchObject([
      { orderId: "a-1", total: { amountMinor: 950, currency: "JPY" } },
      { orderId: "a-2", total: { amountMinor: 400, currency: "JPY" } },
    ]);
  });
});

describe("publish order --dry-run", () => {
  const tell = (words: string, stdin = "") =>
    runCommand(`publish order --dry-run ${words} --server nats://127.0.0.1:1`, { stdin });

  it("tells without a broker what would be stored and rejected, and exits as storing it would", async () => {
    const ran = await tell("--file fixtures/orders.csv");
    expect(ran.exitCode).toBe(6);
    const lines = ran.stdout.split("\n");
    expect(lines.slice(0, 4)).toEqual([
      "dry run: 2 orders would be stored, from fixtures/orders.csv",
      "GBP 57.00 in all, from 2024-03-01",
      "21 rows are rejected:",
      "  fixtures/orders.csv:5: invoice C7002 is a cancellation",
    ]);
    const published = await publish("--file fixtures/orders.csv");
    expect(published.exitCode).toBe(6);
    expect(published.stdout).toContain(lines.slice(2, 23).join("\n"));
    expect((await tell("--file fixtures/orders.csv --skip-invalid")).exitCode).toBe(0);
  });

  it("tells orders that come again, as they are or as others", async () => {
    const order = (id: string, minor: number) =>
      `{"order_id":"${id}","total_minor":${minor},"currency":"JPY"}`;
    const text = [order("a", 1), order("b", 2), order("a", 1), order("b", 3)].join("\n");
    const ran = await tell("--file - --format ndjson --json", text);
    expect(ran.exitCode).toBe(6);
    expect(ran.lines()).toEqual([
      {
        kind: "publish-dry-run",
        version: 1,
        data: {
          file: "-",
          orders: 2,
          repeated: 1,
          conflicts: 1,
          conflicting: ["b"],
          totals: [{ currency: "JPY", amountMinor: 3, text: "JPY 3" }],
          earliest: null,
          latest: null,
          rejected: 0,
          rejectsShown: [],
        },
      },
    ]);
    const shown = await tell("--file - --format ndjson", text);
    expect(shown.stdout).toBe(
      "dry run: 2 orders would be stored, from -; 1 of them comes again\nJPY 3 in all, without a date\n" +
        "1 order is another than what comes before under the same id: b\n",
    );
  });

  it("writes the rejects to their file, and fails as reading does", async () => {
    const file = join(dir, "rejects.ndjson");
    expect((await tell(`--file fixtures/orders.csv --rejects ${file}`)).exitCode).toBe(6);
    expect(readFileSync(file, "utf8").trimEnd().split("\n")).toHaveLength(21);
    const missing = await tell("--file nowhere.csv");
    expect(missing).toMatchObject({ exitCode: 2, stdout: "" });
    expect(missing.stderr).toContain("cannot read nowhere.csv");
  });
});
