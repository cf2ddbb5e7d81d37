import { describe, expect, test } from "vitest";
import { catalogueOf } from "../../src/orders/catalogue.ts";
import { createOrderGenerator, type GeneratorOptions } from "../../src/orders/generator.ts";
import { findEventFault } from "../../src/orders/wire/event-fault.ts";

function generate(count: number, options: GeneratorOptions = {}) {
  const generator = createOrderGenerator(options);
  return Array.from({ length: count }, () => generator.next());
}

const uuid7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe("generated orders", () => {
  test("are the same, ids included, for the same seed at any time", () => {
    expect(generate(200, { seed: 42 })).toEqual(generate(200, { seed: 42 }));
  });

  test("are different for another seed, and without one every time", () => {
    const seeds = [{ seed: 1 }, { seed: 2 }, { seed: 2 ** 40 }, {}, {}];
    const ids = seeds.flatMap((options) => generate(100, options).map(({ orderId }) => orderId));
    expect(new Set(ids).size).toBe(500);
  });

  test("have the contents of their seed, whether it was given or picked", () => {
    const picked = createOrderGenerator();
    const given = createOrderGenerator({ seed: picked.seed });
    for (let count = 0; count < 50; count++) {
      const { orderId: _, ...order } = picked.next();
      expect(given.next()).toMatchObject(order);
    }
  });

  test("have ascending UUIDv7 ids, of the present when nobody gave a seed", () => {
    const before = Date.now();
    const ids = generate(5000).map(({ orderId }) => orderId);
    expect(ids.every((id) => uuid7.test(id))).toBe(true);
    expect(ids.toSorted()).toEqual(ids);
    const firstMs = Number.parseInt(ids[0]?.replace("-", "").slice(0, 12) ?? "", 16);
    expect(firstMs).toBeGreaterThanOrEqual(before);
    expect(firstMs).toBeLessThanOrEqual(Date.now());
  });

  test("are valid, cost the sum of their lines, and sell what is in the catalogue at its price", () => {
    const prices = new Map(catalogueOf().map(({ sku, unitPriceMinor }) => [sku, unitPriceMinor]));
    for (const order of generate(2000, { seed: 3, currency: "GBP" })) {
      expect(findEventFault(order)).toBeUndefined();
      const sum = order.lines.reduce((total, line) => total + line.quantity * line.unitPriceMinor, 0);
      expect(order.total).toEqual({ amountMinor: sum, currency: "GBP" });
      expect(order.lines.every(({ sku, unitPriceMinor }) => prices.get(sku) === unitPriceMinor)).toBe(true);
      expect(new Set(order.lines.map(({ sku }) => sku)).size).toBe(order.lines.length);
    }
  });

  test("prefer few goods and few customers, and mostly have one to three lines", () => {
    const orders = generate(10_000, { seed: 4 });
    const lines = orders.flatMap((order) => order.lines);
    const hot = new Set(catalogueOf(10).map(({ sku }) => sku));
    expect(lines.filter(({ sku }) => hot.has(sku)).length / lines.length).toBeGreaterThan(0.45);
    expect(new Set(lines.map(({ sku }) => sku)).size).toBe(100);
    expect(new Set(orders.map(({ customerId }) => customerId)).size).toBeLessThan(4500);
    const short = orders.filter((order) => order.lines.length <= 3);
    expect(short.length / orders.length).toBeGreaterThan(0.9);
  });

  test("carry the time of creation they are given, and none otherwise", () => {
    const generator = createOrderGenerator({ seed: 5 });
    expect(generator.next().createdAtUs).toBeNull();
    expect(generator.next(1_700_000_000_000_000).createdAtUs).toBe(1_700_000_000_000_000);
  });

  test("sell from as small a catalogue as asked for", () => {
    const skus = generate(500, { seed: 6, catalogueSize: 2 }).flatMap((order) =>
      order.lines.map(({ sku }) => sku),
    );
    expect([...new Set(skus)].toSorted()).toEqual(["LANTERN-001", "TEAPOT-002"]);
  });
});

test("the catalogue is the same for everyone, and a shorter one is its beginning", () => {
  expect(catalogueOf(10)).toEqual(catalogueOf().slice(0, 10));
  expect(catalogueOf(2)).toEqual([
    { sku: "LANTERN-001", unitPriceMinor: 295 },
    { sku: "TEAPOT-002", unitPriceMinor: 4745 },
  ]);
  expect(new Set(catalogueOf(500).map(({ sku }) => sku)).size).toBe(500);
});
