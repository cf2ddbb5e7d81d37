import { describe, expect, it } from "vitest";
import { KeyFilter } from "../../src/archive/key-filter.ts";
import { buildKeyHashes, keyHash } from "../../src/archive/key-hashes.ts";
import type { Segment } from "../../src/archive/manifest.ts";
import { SegmentKeys } from "../../src/archive/segment-keys.ts";

const stored = { name: "", bytes: 0, sha256: "" };

const segment = (from: number): Segment => ({
  version: 1,
  store: "file:///nowhere",
  log: "log",
  from,
  to: from,
  events: 1,
  keys: 1,
  storedFromUs: 0,
  storedToUs: 0,
  files: { data: stored, keys: stored, audit: stored },
  previous: null,
  sha256: "",
  prunedAtMs: undefined,
});

const keysOf = (from: number, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `o-${from}-${index}`);
const hashes = (from: number, count: number): Uint8Array => buildKeyHashes(keysOf(from, count));
/** As many keys as have room in a layer, faster than those that are made of texts. */
const randomHashes = (count: number): Uint8Array => {
  const numbers = new Uint32Array(count * 2);
  let state = 1;
  for (const index of numbers.keys()) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    numbers[index] = state;
  }
  return new Uint8Array(numbers.buffer);
};

const found = (keys: SegmentKeys, key: string) => (keys.mayHave(keyHash(key)) ?? []).map(({ from }) => from);

describe("the keys of segments", () => {
  it("finds every key in its segment's layer, and hardly another", () => {
    const keys = new SegmentKeys(KeyFilter.bytes);
    expect(keys.isEmpty).toBe(true);
    keys.addNewer(segment(1), hashes(1, 100_000));
    keys.addNewer(segment(2), hashes(2, 100_000));
    for (const key of [...keysOf(1, 1000), ...keysOf(2, 1000)]) expect(found(keys, key)).toEqual([1, 2]);
    expect(keysOf(3, 100_000).filter((key) => found(keys, key).length > 0)).toEqual([]);
  });

  it("has few false hits when a layer is full", () => {
    const keys = new SegmentKeys(KeyFilter.bytes);
    keys.addNewer(segment(1), randomHashes(KeyFilter.mostKeys));
    const hits = keysOf(2, 200_000).filter((key) => found(keys, key).length > 0);
    expect(hits.length).toBeLessThan(20);
  });

  it("has the newest in memory, and takes those that have no room for holders of any key", () => {
    const keys = new SegmentKeys(2 * KeyFilter.bytes);
    const [first, second, third] = [segment(1), segment(2), segment(3)];
    keys.addNewer(first, hashes(1, 10));
    keys.addNewer(second, randomHashes(KeyFilter.mostKeys));
    expect(found(keys, "o-1-0")).toEqual([1, 2]);
    expect(found(keys, "unknown")).toEqual([]);
    expect(keys.outside.size).toBe(0);
    keys.addNewer(third, randomHashes(KeyFilter.mostKeys));
    // The layer of the first one, which also held the most of the second, made room.
    expect([...keys.outside]).toEqual([first, second]);
    expect(found(keys, "unknown")).toEqual([1, 2]);
    expect(found(keys, "o-1-0")).toEqual([1, 2]);
  });

  it("adds older ones behind the newest, until there is no room", () => {
    const keys = new SegmentKeys(KeyFilter.bytes);
    keys.addOlder(segment(9), hashes(9, 10));
    expect(keys.hasRoom).toBe(true);
    const large = segment(8);
    keys.addOlder(large, randomHashes(KeyFilter.mostKeys));
    expect(keys.hasRoom).toBe(false);
    keys.addOutside([segment(7)]);
    expect([...keys.outside].map(({ from }) => from)).toEqual([8, 7]);
    expect(found(keys, "o-9-3").sort()).toEqual([7, 8, 8, 9]);
  });

  it("keeps nothing in memory where it may have none", () => {
    const keys = new SegmentKeys(KeyFilter.bytes - 1);
    expect(keys.hasRoom).toBe(false);
    keys.addNewer(segment(1), hashes(1, 10));
    expect(found(keys, "unknown")).toEqual([1]);
  });
});
