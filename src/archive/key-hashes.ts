import { hash } from "node:crypto";
import type { SegmentFile } from "./segment-store.ts";

/** Bytes of one hash. */
const size = 8;

/** The first 8 bytes of a key's SHA-256, big-endian. Per key: ~1 µs. */
export const keyHash = (key: string): bigint => hash("sha256", key, "buffer").readBigUInt64BE(0);

/** The hashes of keys, sorted, each once, 8 bytes each. */
export function buildKeyHashes(keys: Iterable<string>): Uint8Array {
  const hashes = BigUint64Array.from(new Set([...keys].map(keyHash))).sort();
  const bytes = Buffer.alloc(hashes.length * size);
  for (const [index, hash] of hashes.entries()) bytes.writeBigUInt64BE(hash, index * size);
  return bytes;
}

/** Whether a file of sorted hashes has one, by binary search. Rejects with `unavailable` when it cannot be read. */
export async function hasKeyHash(file: SegmentFile, hash: bigint): Promise<boolean> {
  let [low, high] = [0, file.bytes / size];
  while (low < high) {
    const middle = (low + high) >>> 1;
    const found = Buffer.from(await file.read(middle * size, (middle + 1) * size)).readBigUInt64BE(0);
    if (found === hash) return true;
    if (found < hash) low = middle + 1;
    else high = middle;
  }
  return false;
}
