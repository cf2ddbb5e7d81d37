import { describe, expect, it } from "vitest";
import {
  createStock,
  decodeStock,
  encodeStock,
  endHold,
  rebase,
  type Stock,
  takeUnits,
} from "../../../src/orders/stock/stock.ts";

const stockOf = (available: number): Stock => createStock(available, "log-1");

describe("takeUnits", () => {
  it("moves units from available to reserved, and holds them for the payment", () => {
    const stock = stockOf(10);
    expect(takeUnits(stock, 7, 3)).toBe("held");
    expect(stock).toEqual({ ...stockOf(7), reserved: 3, holds: new Map([[7, 3]]) });
  });

  it("takes once, however often the same payment asks", () => {
    const stock = stockOf(10);
    for (let times = 0; times < 3; times += 1) expect(takeUnits(stock, 7, 3)).toBe("held");
    expect(stock.available).toBe(7);
  });

  it("takes all or nothing, and down to the last unit", () => {
    const stock = stockOf(3);
    expect(takeUnits(stock, 1, 4)).toBe("short");
    expect(stock).toEqual(stockOf(3));
    expect(takeUnits(stock, 2, 3)).toBe("held");
    expect(takeUnits(stock, 3, 1)).toBe("short");
    expect(stock.available).toBe(0);
  });

  it("takes nothing for a payment that is settled, unless its units are still held", () => {
    const stock = stockOf(10);
    takeUnits(stock, 5, 1);
    stock.settledThrough = 6;
    expect(takeUnits(stock, 6, 1)).toBe("settled");
    expect(takeUnits(stock, 5, 1)).toBe("held");
    expect(takeUnits(stock, 7, 1)).toBe("held");
    expect(stock.available).toBe(8);
  });
});

describe("endHold", () => {
  it("keeps the units reserved, or puts them back, once", () => {
    const stock = stockOf(10);
    takeUnits(stock, 1, 2);
    takeUnits(stock, 2, 3);
    for (let times = 0; times < 2; times += 1) {
      endHold(stock, 1, true);
      endHold(stock, 2, false);
    }
    expect(stock).toEqual({ ...stockOf(8), reserved: 2 });
  });
});

describe("rebase", () => {
  it("forgets the sequences of an earlier log and keeps its counts", () => {
    const stock = stockOf(10);
    takeUnits(stock, 5, 2);
    stock.settledThrough = 4;
    expect(rebase(stock, "log-1")).toBe(stock);
    expect(rebase(stock, "log-2")).toEqual({ ...createStock(8, "log-2"), reserved: 2 });
  });
});

describe("the stored form", () => {
  it("reads back as it was written", () => {
    const stock = stockOf(10);
    takeUnits(stock, 5, 2);
    takeUnits(stock, 2 ** 40, 1);
    expect(decodeStock("MUG", encodeStock(stock))).toEqual(stock);
  });

  it.each([
    "",
    "{",
    "null",
    "7",
    "{}",
    '{"available":1,"reserved":0,"settledThrough":0}',
    '{"available":1.5,"reserved":0,"settledThrough":0,"log":"x","holds":[]}',
    '{"available":1,"reserved":0,"settledThrough":0,"log":"x","holds":7}',
    '{"available":1,"reserved":0,"settledThrough":0,"log":"x","holds":[["a",1]]}',
    '{"available":-1,"reserved":0,"settledThrough":0,"log":"x","holds":[]}',
  ])("is refused, with the SKU, where it is %j", (text) => {
    const message = expect.stringContaining("MUG");
    const refused = expect.objectContaining({ code: "bad_message", source: "store", message });
    expect(() => decodeStock("MUG", text)).toThrow(refused);
  });
});
