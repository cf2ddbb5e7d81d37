import { join } from "node:path";
import { OrderctlError } from "../core/errors.ts";
import type { Connection } from "../jetstream/client/connection.ts";
import { ObjectBucket } from "../jetstream/streams/object-bucket.ts";
import { openDirectoryStore } from "./directory-store.ts";
import type { SegmentFile, SegmentStore } from "./segment-store.ts";

type ObjectStoreOptions = {
  bucket: string;
  /** Where files of key hashes stay that were read once: every look-up needs some of them, and objects are read whole. */
  cacheDir: string;
  /** Of a bucket that is made. */
  replicas?: number;
};

/**
 * Segments as objects in a bucket of the broker, which the first write makes. What it opens is read whole, and is in
 * memory until it is closed.
 */
export function openObjectStore(connection: Connection, options: ObjectStoreOptions): SegmentStore {
  const { bucket: name, cacheDir, replicas = 1 } = options;
  const bucket = new ObjectBucket(connection, { bucket: name, replicas });
  const cache = openDirectoryStore(join(cacheDir, name));
  const url = `nats://${name}`;

  const get = async (file: string): Promise<Uint8Array> => {
    const what = `read ${url}/${file}`;
    const content = await bucket.get(file).catch(rethrow(what));
    if (content) return content;
    throw new OrderctlError("unavailable", `cannot ${what}: there is no such object`, { source: "store" });
  };
  const open = async (file: string): Promise<SegmentFile> => {
    if (!file.endsWith(".keys")) return inMemory(`${url}/${file}`, await get(file));
    const cached = await cache.open(file).catch(() => undefined);
    if (cached) return cached;
    const content = await get(file);
    await cache.write(file, content).catch(() => undefined);
    return inMemory(`${url}/${file}`, content);
  };
  /** Files are cached under their names alone: one that is written again must not be found as it was. */
  const forget = (file: string): Promise<void> => cache.remove(file).catch(() => undefined);
  return {
    url,
    async write(file, content) {
      await forget(file);
      await bucket.put(file, content).catch(rethrow(`write ${url}/${file}`));
    },
    open,
    async remove(file) {
      await forget(file);
      await bucket.remove(file).catch((error: OrderctlError) => {
        if (error.code !== "not_found") rethrow(`remove ${url}/${file}`)(error);
      });
    },
    list: () => bucket.list().catch(rethrow(`list ${url}`)),
    async close() {
      bucket.close();
    },
  };
}

/** A store that refuses says so; whatever else there is may pass. */
const lasting: ReadonlySet<string> = new Set(["denied", "usage"]);

const rethrow =
  (what: string) =>
  (thrown: unknown): never => {
    const { code, message, hint, isUncertain } = OrderctlError.from(thrown);
    const details = { hint, isUncertain, cause: thrown, source: "store" as const };
    throw new OrderctlError(lasting.has(code) ? code : "unavailable", `cannot ${what}: ${message}`, details);
  };

const inMemory = (name: string, content: Uint8Array): SegmentFile => ({
  name,
  bytes: content.length,
  async read(start, end) {
    const part = content.subarray(start, end);
    if (part.length === end - start) return part;
    throw new OrderctlError("unavailable", `cannot read ${name}: it ends before byte ${end}`, {
      source: "store",
    });
  },
  async close() {},
});
