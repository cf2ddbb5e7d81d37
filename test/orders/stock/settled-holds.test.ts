import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { StockShelf } from "../../../src/orders/stock/stock-shelf.ts";
import { calm, log, orderOf, StockWorld } from "./stock-world.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["performance"] }));
afterEach(() => void vi.useRealTimers());

function openShelf(defaultStock: number) {
  const store = new StockWorld(calm);
  return { store, shelf: new StockShelf(store, { log, defaultStock }) };
}

// Hundreds used to be looked up one after the other for one write, and again for the next: orders waited for 20 s.
it("looks up what a shelf that is gone has left a few at a time, and each order once", async () => {
  const { store, shelf: gone } = openShelf(1000);
  for (let sequence = 1; sequence <= 200; sequence += 1)
    await store.deliver(gone, orderOf(sequence, { MUG: 1 }));
  expect(store.entries.get("MUG")?.stock.holds.size).toBe(200);
  const shelf = new StockShelf(store, { log, defaultStock: 1000 });
  const looked = vi.spyOn(store, "wasReserved");
  for (let sequence = 201; sequence <= 210; sequence += 1) {
    const before = looked.mock.calls.length;
    await store.deliver(shelf, orderOf(sequence, { MUG: 1 }));
    expect(looked.mock.calls.length - before).toBeLessThanOrEqual(32);
    vi.advanceTimersByTime(5100);
  }
  expect(looked.mock.calls.map(([sequence]) => sequence).sort((a, b) => a - b)).toEqual(
    Array.from({ length: 200 }, (_, index) => index + 1),
  );
  expect(store.entries.get("MUG")?.stock).toMatchObject({ reserved: 210, available: 790 });
  expect(store.entries.get("MUG")?.stock.holds.size).toBeLessThan(3);
});

it("asks the log once about each hold that a dead process left, however often its compare-and-set is lost", async () => {
  const { store, shelf } = openShelf(1000);
  const dead = new StockShelf(store, { log, defaultStock: 1000 });
  const left = Array.from({ length: 20 }, (_, index) => orderOf(index + 1, { MUG: 1 }));
  for (const order of left) await store.deliver(dead, order);
  for (const sequence of [100, 101]) {
    await shelf.take(sequence, new Map([["TRAY", 1]]));
    vi.advanceTimersByTime(6000);
  }
  const asked = vi.spyOn(store, "wasReserved");
  // What used to happen: all of them were asked for again after each write that another shelf was faster with.
  vi.spyOn(store, "write").mockResolvedValueOnce(undefined).mockResolvedValueOnce(undefined);
  await shelf.take(102, new Map([["MUG", 1]]));
  expect(asked.mock.calls.map(([sequence]) => sequence)).toEqual(left.map(({ sequence }) => sequence));
  expect([...(store.entries.get("MUG")?.stock.holds.keys() ?? [])]).toEqual([102]);
});

it("ends the holds of an empty shelf as well, so that the next order does not look for them", async () => {
  const { store, shelf } = openShelf(20);
  const dead = new StockShelf(store, { log, defaultStock: 20 });
  for (let sequence = 1; sequence <= 20; sequence += 1) {
    await store.deliver(dead, orderOf(sequence, { MUG: 1 }));
  }
  for (const sequence of [100, 101]) {
    await shelf.take(sequence, new Map([["TRAY", 1]]));
    vi.advanceTimersByTime(6000);
  }
  // What used to happen: nothing was written where nothing was taken, and each order asked the log for all of them.
  expect(await shelf.take(102, new Map([["MUG", 1]]))).toEqual({ missing: ["MUG"] });
  expect(store.entries.get("MUG")?.stock).toMatchObject({ available: 0, reserved: 20, holds: new Map() });
});

// They used to be looked up for each write, over and over, until somebody redrove the dead letter.
it("asks about an order that has no answer only every few seconds", async () => {
  const { store, shelf } = openShelf(1000);
  const gone = new StockShelf(store, { log, defaultStock: 1000 });
  await gone.take(1, new Map([["MUG", 1]]));
  store.giveUp(1);
  for (const sequence of [2, 3]) {
    await store.deliver(shelf, orderOf(sequence, { TRAY: 1 }));
    vi.advanceTimersByTime(6000);
  }
  const asked = vi.spyOn(store, "wasReserved");
  const asksOfNext = async (sequence: number) => {
    const before = asked.mock.calls.length;
    await store.deliver(shelf, orderOf(sequence, { MUG: 1 }));
    return asked.mock.calls.slice(before).filter(([each]) => each === 1).length;
  };
  expect(await asksOfNext(4)).toBe(1);
  expect(await asksOfNext(5)).toBe(0);
  vi.advanceTimersByTime(6000);
  expect(await asksOfNext(6)).toBe(1);
});
