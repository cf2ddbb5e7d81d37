import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createRandom } from "../../../src/orders/generator.ts";
import { createStock } from "../../../src/orders/stock/stock.ts";
import { StockShelf } from "../../../src/orders/stock/stock-shelf.ts";
import { calm, log, type Order, orderOf, StockWorld } from "./stock-world.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["performance"] }));
afterEach(() => void vi.useRealTimers());

/**
 * Delivers in the order in which work waits for a free hand, four at a time, until each order was answered; one
 * delivery in `again` comes twice, as after a lost acknowledgement.
 */
async function deliverAll(orders: readonly Order[], deliver: (order: Order) => Promise<boolean>) {
  const left = [...orders];
  const work = async () => {
    for (let order = left.shift(); order; order = left.shift()) {
      if (!(await deliver(order))) left.push(order);
    }
  };
  await Promise.all([work(), work(), work(), work()]);
}

/** Lets all holds end: time passes, and a shelf that knows nothing touches every SKU. Returns its one order. */
async function settleHolds(
  world: StockWorld,
  skus: readonly string[],
  defaultStock: number,
): Promise<Order[]> {
  const shelf = new StockShelf(world, { log, defaultStock });
  const probes: Order[] = [];
  for (let round = 0; round < 2; round += 1) {
    vi.advanceTimersByTime(6000);
    const sequence = world.reservations.size + 1;
    const probe = orderOf(sequence, Object.fromEntries(skus.map((sku) => [sku, 0])));
    expect(await world.deliver(shelf, probe)).toBe(true);
    probes.push(probe);
  }
  return probes;
}

const sumReserved = (world: StockWorld, orders: readonly Order[], sku: string): number =>
  orders
    .filter(({ sequence }) => world.reservations.get(sequence))
    .reduce((sum, { units }) => sum + (units.get(sku) ?? 0), 0);

describe("two shelves on one store", () => {
  const skus = ["MUG", "TRAY", "LAMP"];
  const unitsOf = fc.dictionary(fc.constantFrom(...skus), fc.integer({ min: 1, max: 4 }), {
    minKeys: 1,
    noNullPrototype: true,
  });
  const world = {
    orders: fc.array(unitsOf, { minLength: 1, maxLength: 20 }),
    stocked: fc.integer({ min: 0, max: 30 }),
    failShare: fc.constantFrom(0, 0.02, 0.1),
    seed: fc.nat(),
    scheduler: fc.scheduler(),
  };

  it("never oversell, and in the end have reserved what the log says, whatever fails and comes again", async () => {
    const property = fc.asyncProperty(fc.record(world), async ({ orders: units, ...given }) => {
      const { stocked, failShare, seed, scheduler } = given;
      let stormy = true;
      const roll = createRandom(seed).nextFraction;
      const pause = () => (stormy ? scheduler.schedule(Promise.resolve()) : Promise.resolve());
      const store = new StockWorld({ pause, fails: () => stormy && roll() < failShare });
      const open = () => new StockShelf(store, { log, defaultStock: stocked });
      const shelves = [open(), open()];
      const orders = units.map((each, index) => orderOf(index + 1, each));
      const deliver = async (order: Order) => {
        vi.advanceTimersByTime(Math.floor(roll() * 400));
        const which = Math.floor(roll() * 2);
        // A process dies now and then: its shelf forgets, and its deliveries come again elsewhere.
        if (roll() < 0.05) shelves[which] = open();
        const both = [shelves[which], roll() < 0.2 ? shelves[1 - which] : undefined];
        const answers = await Promise.all(both.map((shelf) => shelf && store.deliver(shelf, order)));
        return answers.some((answered) => answered);
      };
      await scheduler.waitFor(deliverAll(orders, deliver));
      stormy = false;
      expect(store.leastAvailable).toBeGreaterThanOrEqual(0);
      expect(store.reservations.size).toBe(orders.length);
      await settleHolds(store, skus, stocked);
      for (const sku of skus) {
        const stock = store.entries.get(sku)?.stock ?? createStock(stocked, log);
        expect({ sku, available: stock.available, reserved: stock.reserved }).toEqual({
          sku,
          available: stocked - sumReserved(store, orders, sku),
          reserved: sumReserved(store, orders, sku),
        });
      }
    });
    await fc.assert(property, { numRuns: 500, endOnFailure: true });
  });
});

/** `count` orders of SKUs that nobody else has named. */
const inventedOrders = (count: number, lines: number): Order[] =>
  Array.from({ length: count }, (_, order) =>
    orderOf(
      order + 1,
      Object.fromEntries(Array.from({ length: lines }, (_, index) => [`X-${order}-${index}`, 1])),
    ),
  );

describe("an order of one line", () => {
  // It used to wait until every line of all orders before it was written.
  it("does not wait for the thousands of lines of others, of which only a few are under way", async () => {
    let [underWay, most] = [0, 0];
    const store = new StockWorld({ pause: () => new Promise(setImmediate), fails: () => false });
    const write = store.write.bind(store);
    store.write = async (sku, entry) => {
      underWay += 1;
      most = Math.max(most, underWay);
      return write(sku, entry).finally(() => {
        underWay -= 1;
      });
    };
    const shelf = new StockShelf(store, { log, defaultStock: 10 });
    const long = inventedOrders(40, 200).map(({ sequence, units }) => shelf.take(sequence, units));
    expect(await shelf.take(99, new Map([["MUG", 1]]))).toEqual({ missing: [] });
    expect(store.entries.size).toBeLessThan(300);
    expect(most).toBeLessThanOrEqual(16);
    for (const taken of await Promise.all(long)) expect(taken).toEqual({ missing: [] });
    expect(store.entries.size).toBe(40 * 200 + 1);
  });
});

describe("an order that ends without its units", () => {
  it("makes no entry where SKUs that nobody stocked are refused", async () => {
    const store = new StockWorld(calm);
    const shelf = new StockShelf(store, { log, defaultStock: 0 });
    const [order] = inventedOrders(1, 500);
    expect(await shelf.take(1, order?.units ?? new Map())).toEqual({
      missing: [...(order?.units.keys() ?? [])],
    });
    expect(store.entries.size).toBe(0);
  });

  // Each of its other lines used to make an entry with the default stock, and to write it again to give it back.
  it("makes no entries once it is known to miss a SKU, and names all that it misses", async () => {
    const store = new StockWorld(calm);
    const shelf = new StockShelf(store, { log, defaultStock: 5 });
    const [order] = inventedOrders(1, 500);
    const units = new Map([["NONE", 6], ...(order?.units ?? []), ["LAST", 7]]);
    expect(await shelf.take(1, units)).toEqual({ missing: ["NONE", "LAST"] });
    expect(store.entries.size).toBeLessThan(40);
  });
});

describe("take", () => {
  const openShelf = (stocked: number) => {
    const store = new StockWorld(calm);
    return { store, shelf: new StockShelf(store, { log, defaultStock: stocked }) };
  };

  it("names every SKU that is short", async () => {
    const { shelf } = openShelf(2);
    const units = new Map(Object.entries({ MUG: 3, TRAY: 2, LAMP: 9 }));
    expect(await shelf.take(1, units)).toEqual({ missing: ["MUG", "LAMP"] });
    expect(await shelf.take(2, new Map([["LAMP", 2]]))).toEqual({ missing: [] });
  });

  it("shares one write among all orders that wait for the same SKU", async () => {
    const { store, shelf } = openShelf(1000);
    const write = vi.spyOn(store, "write");
    const takes = Array.from({ length: 100 }, (_, index) => shelf.take(index + 1, new Map([["MUG", 1]])));
    await Promise.all(takes);
    expect(write.mock.calls.length).toBeLessThanOrEqual(3);
    expect(store.entries.get("MUG")?.stock.reserved).toBe(100);
  });

  it("calls an order short only after it looked at the stock as it is now", async () => {
    const { store, shelf } = openShelf(1);
    await shelf.take(1, new Map([["MUG", 1]]));
    const restocked = createStock(5, log);
    store.entries.set("MUG", { stock: restocked, revision: 99 });
    expect(await shelf.take(2, new Map([["MUG", 5]]))).toEqual({ missing: [] });
  });

  it("gives units back that were taken for an order which ended without them", async () => {
    const { store, shelf } = openShelf(5);
    await store.deliver(shelf, orderOf(1, { MUG: 3, LAMP: 6 }));
    expect(store.reservations.get(1)).toBe(false);
    expect(store.entries.get("MUG")?.stock.available).toBe(2);
    vi.advanceTimersByTime(600);
    await store.deliver(shelf, orderOf(2, { MUG: 5 }));
    expect(store.reservations.get(2)).toBe(true);
  });

  it("leaves a settled payment alone", async () => {
    const { store, shelf } = openShelf(5);
    await store.deliver(shelf, orderOf(1, { MUG: 1 }));
    vi.advanceTimersByTime(600);
    await store.deliver(shelf, orderOf(2, { MUG: 1 }));
    expect(await shelf.take(1, new Map([["MUG", 1]]))).toBe("settled");
    expect(store.entries.get("MUG")?.stock.reserved).toBe(2);
  });

  it("starts its sequences afresh in another log and keeps what was reserved", async () => {
    const { store, shelf } = openShelf(5);
    await shelf.take(1, new Map([["MUG", 2]]));
    const next = new StockShelf(store, { log: "log-2", defaultStock: 5 });
    expect(await next.take(1, new Map([["MUG", 2]]))).toEqual({ missing: [] });
    expect(store.entries.get("MUG")?.stock).toMatchObject({ available: 1, reserved: 4 });
  });
});
