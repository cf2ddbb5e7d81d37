import { createHash } from "node:crypto";
import { OrderctlError } from "../core/errors.ts";
import type { StoredFile } from "./manifest.ts";
import type { SegmentFile, SegmentStore } from "./segment-store.ts";

export async function withFile<T>(
  store: SegmentStore,
  name: string,
  read: (file: SegmentFile) => Promise<T>,
): Promise<T> {
  const file = await store.open(name);
  try {
    return await read(file);
  } finally {
    await file.close();
  }
}

/** As `withFile`, for a file that has to be as long as the manifest says: a shorter one would hide what it held. */
export const withStored = <T>(
  store: SegmentStore,
  { name, bytes }: StoredFile,
  read: (file: SegmentFile) => Promise<T>,
): Promise<T> =>
  withFile(store, name, (file) => {
    if (file.bytes !== bytes) throw damagedFile(store, name);
    return read(file);
  });

/** The bytes of a file; rejects with `unavailable` when they are not those that it has to hold. */
export async function readWhole(
  store: SegmentStore,
  { name, bytes, sha256 }: StoredFile,
): Promise<Uint8Array> {
  const content = await withFile(store, name, (file) => file.read(0, file.bytes));
  const isWhole = content.length === bytes && createHash("sha256").update(content).digest("hex") === sha256;
  if (isWhole) return content;
  throw damagedFile(store, name);
}

export const damagedFile = ({ url }: SegmentStore, name: string): OrderctlError =>
  new OrderctlError("unavailable", `${name} in ${url} is damaged: it is not what was written`, {
    source: "store",
  });
