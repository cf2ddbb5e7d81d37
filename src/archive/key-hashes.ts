import { hash } from "node:crypto";
import { OrderctlError } from "../core/errors.ts";
import type { SegmentFile } from "./segment-store.ts";

const hashBytes = 8;

/** The first eight bytes of a key's SHA-256. Hot path: ~1 µs. */
export const keyHash = (key: string): bigint => BigInt(`0x${hash("sha256", key).slice(0, 2 * hashBytes)}`);

/** The content of a file of key hashes: each hash once, ascending, as eight bytes, the greatest first. */
export function buildKeyHashes(keys: Iterable<string>): Uint8Array {
  const hashes = BigUint64Array.from(new Set(Array.from(keys, keyHash))).sort();
  const bytes = Buffer.alloc(hashes.length * hashBytes);
  for (let index = 0; index < hashes.length; index++)
    bytes.writeBigUInt64BE(hashes[index] ?? 0n, index * hashBytes);
  return bytes;
}

/**
 * Whether a file of key hashes has this one. Hashes are spread evenly, so the first block that is read, around the
 * place where this one would be, has its place in 9,999 of 10,000 files.
 */
export async function hasKeyHash(file: SegmentFile, wanted: bigint): Promise<boolean> {
  const count = file.bytes / hashBytes;
  if (!Number.isInteger(count)) throw damaged(file);
  const reach = reachOf(count);
  let low = 0;
  let high = count;
  let middle = Math.floor((Number(wanted) / 2 ** 64) * count);
  while (low < high) {
    const from = Math.max(low, middle - reach);
    const to = Math.min(high, middle + reach);
    const block = await readHashes(file, from, to);
    if (wanted < (block[0] ?? 0n)) high = from;
    else if (wanted > (block.at(-1) ?? 0n)) low = to;
    else return block.includes(wanted);
    middle = Math.floor((low + high) / 2);
  }
  return false;
}

/** Whether the content of a file of key hashes has this one. */
export function includesHash(content: Uint8Array, wanted: bigint): boolean {
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
  let low = 0;
  for (let high = content.length / hashBytes; low < high; ) {
    const middle = (low + high) >>> 1;
    if (view.getBigUint64(middle * hashBytes) < wanted) low = middle + 1;
    else high = middle;
  }
  return low * hashBytes < content.length && view.getBigUint64(low * hashBytes) === wanted;
}

/** A step of the pass over a file costs as much as a step of the search in it; 16 steps find one of 65,536. */
const searchSteps = 16;

/**
 * Which of some hashes, in ascending order, are in a whole file of key hashes: one pass over both, or one search for each
 * where they are few.
 */
export function commonHashes(file: Uint8Array, sorted: BigUint64Array): bigint[] {
  const isFew = sorted.length * searchSteps * hashBytes < file.length;
  if (isFew) return Array.from(sorted).filter((wanted) => includesHash(file, wanted));
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const found: bigint[] = [];
  for (let at = 0, index = 0; at + hashBytes <= file.length && index < sorted.length; ) {
    const held = view.getBigUint64(at);
    const wanted = sorted[index] ?? 0n;
    if (held === wanted) found.push(wanted);
    if (held <= wanted) at += hashBytes;
    if (held >= wanted) index += 1;
  }
  return found;
}

/** Four standard deviations of the number of hashes below a given one, of so many that are spread evenly. */
const reachOf = (count: number): number => Math.max(64, Math.ceil(2 * Math.sqrt(count)));

async function readHashes(file: SegmentFile, from: number, to: number): Promise<BigUint64Array> {
  const bytes = await file.read(from * hashBytes, to * hashBytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const hashes = BigUint64Array.from({ length: to - from }, (_, index) =>
    view.getBigUint64(index * hashBytes),
  );
  // A search in a list that is not ascending would miss what is there.
  if (hashes.some((hash, index) => index > 0 && hash <= (hashes[index - 1] ?? 0n))) throw damaged(file);
  return hashes;
}

const damaged = ({ name }: SegmentFile): OrderctlError =>
  new OrderctlError("unavailable", `${name} is damaged: it is no ascending list of key hashes`, {
    source: "store",
  });
