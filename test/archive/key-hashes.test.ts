import { createHash, randomUUID } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  buildKeyHashes,
  commonHashes,
  hasKeyHash,
  includesHash,
  keyHash,
} from "../../src/archive/key-hashes.ts";
import type { SegmentFile } from "../../src/archive/segment-store.ts";

/** A file in memory that counts how often it is read. */
function fileOf(content: Uint8Array): SegmentFile & { reads: number; mostBytes: number } {
  return {
    name: "file:///archive/orders-1.keys",
    bytes: content.length,
    reads: 0,
    mostBytes: 0,
    async read(start, end) {
      this.reads += 1;
      this.mostBytes = Math.max(this.mostBytes, end - start);
      return content.subarray(start, end);
    },
    async close() {},
  };
}

const fileOfHashes = (hashes: readonly bigint[]) => {
  const bytes = Buffer.alloc(8 * hashes.length);
  for (const [index, hash] of hashes.entries()) bytes.writeBigUInt64BE(hash, 8 * index);
  return fileOf(bytes);
};

const random = (count: number) => Array.from({ length: count }, () => randomUUID());

describe("the hash of a key", () => {
  it.each([
    "o-1",
    "",
    "größer",
    "01744468-afb3-7000-8000-187376658dbf",
  ])("is the beginning of the SHA-256 of %j", (key) => {
    expect(keyHash(key)).toBe(createHash("sha256").update(key).digest().readBigUInt64BE());
  });
});

describe("a file of key hashes", () => {
  it("has each hash once, ascending, in eight bytes", () => {
    const keys = random(500);
    const bytes = Buffer.from(buildKeyHashes([...keys, ...keys]));
    expect(bytes.length).toBe(8 * 500);
    const read = Array.from({ length: 500 }, (_, index) => bytes.readBigUInt64BE(8 * index));
    expect(read).toEqual(keys.map(keyHash).sort((a, b) => (a < b ? -1 : 1)));
  });

  it.each([1, 2, 63, 64, 65, 1000, 20_000])("tells which of many keys it has, of %d", async (count) => {
    const keys = random(count);
    const file = fileOf(buildKeyHashes(keys));
    for (const key of keys.slice(0, 500)) expect(await hasKeyHash(file, keyHash(key))).toBe(true);
    for (const key of random(500)) expect(await hasKeyHash(file, keyHash(key))).toBe(false);
  });

  it("is read once, in a small part, for nearly every question", async () => {
    const keys = random(20_000);
    const file = fileOf(buildKeyHashes(keys));
    const asked = [...keys.slice(0, 1000), ...random(1000)];
    for (const key of asked) await hasKeyHash(file, keyHash(key));
    expect(file.reads).toBeLessThan(asked.length + 20);
    expect(file.mostBytes).toBeLessThan(8192);
  });

  it("has nothing when it is empty", async () => {
    expect(await hasKeyHash(fileOf(buildKeyHashes([])), keyHash("o-1"))).toBe(false);
  });

  it("is searched to the end although its hashes are not spread evenly", async () => {
    const hash = fc.oneof(
      fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      fc.bigInt({ min: 0n, max: 2000n }),
      fc.bigInt({ min: 2n ** 64n - 2000n, max: 2n ** 64n - 1n }),
    );
    const hashes = fc.uniqueArray(hash, { minLength: 1, maxLength: 3000, size: "max" });
    const property = fc.asyncProperty(hashes, hash, async (some, other) => {
      const file = fileOfHashes(some.toSorted((a, b) => (a < b ? -1 : 1)));
      for (const each of some.slice(0, 20)) expect(await hasKeyHash(file, each)).toBe(true);
      expect(await hasKeyHash(file, other)).toBe(some.includes(other));
      expect(file.reads).toBeLessThanOrEqual(21 * 8);
    });
    await fc.assert(property, { numRuns: 50 });
  });

  it("is refused with its name when it is damaged", async () => {
    const bytes = buildKeyHashes(random(200));
    const rejected = {
      code: "unavailable",
      source: "store",
      message: expect.stringMatching(/orders-1\.keys/),
    };
    await expect(hasKeyHash(fileOf(bytes.subarray(1)), 1n)).rejects.toMatchObject(rejected);
    await expect(hasKeyHash(fileOf(bytes.fill(7, 700, 900)), keyHash("x"))).rejects.toMatchObject(rejected);
  });
});

it("finds a hash in a whole file, and no other", () => {
  const keys = Array.from({ length: 500 }, (_, n) => `order-${n}`);
  const file = buildKeyHashes(keys.slice(0, 250));
  expect(keys.filter((key) => includesHash(file, keyHash(key)))).toEqual(keys.slice(0, 250));
  expect([0n, 2n ** 64n - 1n].filter((hash) => includesHash(file, hash))).toEqual([]);
  expect(includesHash(new Uint8Array(), keyHash("order-1"))).toBe(false);
});

it.each([
  ["many", 2],
  ["few", 200],
])("finds which of %s hashes a whole file has", (_, every) => {
  const keys = Array.from({ length: 12_000 }, (_, n) => `order-${n}`);
  const file = buildKeyHashes(keys.filter((_, n) => n % 3 === 0));
  const asked = keys.filter((_, n) => n % every === 0);
  const found = new Set(commonHashes(file, BigUint64Array.from(asked, keyHash).sort()));
  expect(asked.filter((key) => found.has(keyHash(key)))).toEqual(
    keys.filter((_, n) => n % (3 * every) === 0),
  );
  expect(found.size).toBe(4000 / every);
});
