import { describe, expect, it } from "vitest";
import type { OrderCreated } from "../../src/orders/events.ts";
import { type FileSource, generateOrders, readOrders } from "../../src/orders/publish/open-order-source.ts";
import type { Reject } from "../../src/publish/files/reject.ts";
import { nowUs } from "../../src/telemetry/clock.ts";

async function read(source: FileSource, stdin = "") {
  async function* input() {
    yield Buffer.from(stdin);
  }
  const rejects: Reject[] = [];
  const orders: OrderCreated[] = [];
  const onReject = (reject: Reject) => rejects.push(reject);
  const { signal } = new AbortController();
  for await (const order of readOrders(source, { stdin: input(), onReject, signal })) orders.push(order);
  return { ids: orders.map(({ orderId }) => orderId), orders, rejects };
}

describe("generateOrders", () => {
  it("makes so many orders, the same ones for the same seed", () => {
    const idsOf = (seed: number) => [...generateOrders(50, seed).orders].map(({ orderId }) => orderId);
    expect(idsOf(7)).toHaveLength(50);
    expect(idsOf(7)).toEqual(idsOf(7));
    expect(idsOf(8)).not.toEqual(idsOf(7));
  });

  it("tells the seed it took, which makes the same orders again", () => {
    const first = generateOrders(5, undefined);
    const again = generateOrders(5, first.seed);
    expect([...again.orders].map(({ lines }) => lines)).toEqual([...first.orders].map(({ lines }) => lines));
  });

  it("creates each order at the moment it is asked for", () => {
    const { orders } = generateOrders(2, 1);
    const before = nowUs();
    const { value } = orders.next();
    expect(value?.createdAtUs).toBeGreaterThanOrEqual(before);
    expect(value?.createdAtUs).toBeLessThanOrEqual(nowUs());
  });
});

describe("readOrders", () => {
  it("tells the format by the name of the file, or takes the one that was said", async () => {
    expect((await read({ file: "fixtures/orders.csv" })).ids).toContain("7001");
    expect((await read({ file: "fixtures/orders.ndjson" })).ids).toContain("nd-1");
    const asJson = await read({ file: "fixtures/orders.csv", format: "ndjson" });
    expect([asJson.ids, asJson.rejects.length > 20]).toEqual([[], true]);
  });

  it("reads standard input as -, with the columns and the currency it is told", async () => {
    const source: FileSource = { file: "-", format: "csv", map: "order=No,sku=Item,quantity=Qty,price=Each" };
    const { orders, rejects } = await read(
      { ...source, currency: "JPY" },
      "No,Item,Qty,Each\n1,MUG,2,400\n2,,1,1\n",
    );
    expect(orders).toMatchObject([{ orderId: "1", total: { amountMinor: 800, currency: "JPY" } }]);
    expect(rejects).toMatchObject([{ row: 3 }]);
  });

  it.each<[FileSource, string]>([
    [{ file: "orders.txt" }, "cannot tell the format of orders.txt"],
    [{ file: "-" }, "cannot tell the format of -"],
    [{ file: "-", format: "ndjson", map: "order=A" }, "--map is for CSV files only"],
    [{ file: "-", format: "csv", map: "colour=A" }, "does not map a column"],
    [{ file: "/nonexistent/orders.csv" }, "/nonexistent/orders.csv"],
  ])("says usage for %j", async (source, message) => {
    await expect(read(source)).rejects.toMatchObject({
      code: "usage",
      message: expect.stringContaining(message),
    });
  });
});
