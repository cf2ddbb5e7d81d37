import { randomInt } from "node:crypto";
import { v7 } from "uuid";
import { type CatalogueItem, catalogueOf } from "./catalogue.ts";
import type { OrderCreated, OrderLine } from "./events.ts";
import { defaultCurrency } from "./money.ts";

export type GeneratorOptions = {
  /**
   * A safe integer from 0: the same seed makes the same orders and ids at any time. By default the seed is random and
   * the ids have the current time.
   */
  seed?: number | undefined;
  catalogueSize?: number;
  customers?: number;
  currency?: string;
};

export type OrderGenerator = {
  seed: number;
  /** A new valid order. Per order: < 5 µs. */
  next(createdAtUs?: number): OrderCreated;
};

const yearMs = 365 * 24 * 3600 * 1000;
/** Cumulative share of orders with 1, 2, 3, 4 and 5 lines. */
const lineCounts = [0.5, 0.78, 0.92, 0.98, 1];

export const randomSeed = (): number => randomInt(2 ** 48 - 1);

/**
 * An endless source of plausible orders: a few SKUs and customers make up most of them, so that orders compete for the
 * same stock. Ids are ascending UUIDv7; with a seed, their time derives from the seed too.
 */
export function createOrderGenerator(options: GeneratorOptions = {}): OrderGenerator {
  const { catalogueSize = 100, customers = 5_000, currency = defaultCurrency } = options;
  const seed = options.seed ?? randomSeed();
  const random = createRandom(seed);
  const pickItem = createZipfPicker(catalogueOf(catalogueSize), random);
  const nextId = createIds(random, options.seed === undefined ? Date.now : createSeededClock(seed));
  const next = (createdAtUs?: number): OrderCreated => {
    const lines = pickLines(random, pickItem);
    const amountMinor = lines.reduce((sum, line) => sum + line.quantity * line.unitPriceMinor, 0);
    return {
      kind: "created",
      orderId: nextId(),
      customerId: `customer-${Math.floor(customers * random.nextFraction() ** 3) + 1}`,
      lines,
      total: { amountMinor, currency },
      createdAtUs: createdAtUs ?? null,
    };
  };
  return { seed, next };
}

function pickLines(random: Random, pickItem: () => CatalogueItem): OrderLine[] {
  const draw = random.nextFraction();
  const wanted = lineCounts.findIndex((share) => draw < share) + 1;
  const lines: OrderLine[] = [];
  for (let picked = 0; picked < wanted; picked++) {
    const { sku, unitPriceMinor } = pickItem();
    const quantity = 1 + Math.floor(4 * random.nextFraction() ** 3);
    if (!lines.some((line) => line.sku === sku)) lines.push({ sku, quantity, unitPriceMinor });
  }
  return lines;
}

/** Picks the n-th item with a weight of 1/n (Zipf's law with exponent 1). */
function createZipfPicker(items: readonly CatalogueItem[], random: Random): () => CatalogueItem {
  let sum = 0;
  const upTo = items.map((_, index) => {
    sum += 1 / (index + 1);
    return sum;
  });
  return () => {
    const draw = random.nextFraction() * sum;
    let low = 0;
    let high = upTo.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((upTo[middle] ?? sum) > draw) high = middle;
      else low = middle + 1;
    }
    return items[low] as CatalogueItem;
  };
}

/** A clock that advances 1 ms per order, from a moment between 2020 and 2024 that derives from the seed. */
function createSeededClock(seed: number): () => number {
  let now = Date.UTC(2020) + Math.floor(createRandom(seed).nextFraction() * 5 * yearMs);
  return () => now++;
}

function createIds(random: Random, clock: () => number): () => string {
  const bytes = new Uint8Array(16);
  const words = new DataView(bytes.buffer);
  let msecs = 0;
  let seq = 0;
  return () => {
    words.setUint32(8, random.nextInt());
    words.setUint32(12, random.nextInt());
    // A clock set back must not make ids descend.
    msecs = Math.max(msecs, clock());
    seq = (seq + 1) >>> 0;
    return v7({ random: bytes, msecs, seq });
  };
}

/** Uniform 32-bit integers from 0, and fractions in [0, 1); the same seed repeats them. Not for secrets. */
export type Random = { nextInt(): number; nextFraction(): number };

/** The sfc32 generator (C. Doty-Humphrey, PractRand) seeded with both halves of a safe integer. Per call: < 0.05 µs. */
export function createRandom(seed: number): Random {
  let a = seed >>> 0;
  let b = Math.floor(seed / 2 ** 32) >>> 0;
  let c = 0x9e3779b9;
  let counter = 1;
  const nextInt = (): number => {
    const result = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + result;
    c |= 0;
    return result >>> 0;
  };
  // Skips the first results, which still resemble the seed.
  for (let round = 0; round < 12; round++) nextInt();
  return { nextInt, nextFraction: () => nextInt() / 2 ** 32 };
}
