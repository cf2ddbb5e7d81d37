import { resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { OrderctlError } from "../core/errors.ts";
import type { Connection } from "../jetstream/client/connection.ts";
import type { SegmentStore } from "./segment-store.ts";

type StoreOptions = {
  connection: Connection;
  /** Where a store keeps files that it has fetched. */
  cacheDir: string;
  /** Of what is made on the broker. */
  replicas?: number;
};

/** The store that a manifest names; makes and reads nothing. Rejects with `unavailable` for one of another kind. */
export async function openStore(
  url: string,
  { connection, cacheDir, replicas = 1 }: StoreOptions,
): Promise<SegmentStore> {
  const bucket = bucketOf(url);
  if (bucket !== undefined) {
    const { openObjectStore } = await import("./object-store.ts");
    return openObjectStore(connection, { bucket, cacheDir, replicas });
  }
  const folder = folderOf(url);
  if (folder === undefined)
    throw new OrderctlError("unavailable", `the archive is in ${url}, which this version cannot read`, {
      source: "store",
    });
  const { openDirectoryStore } = await import("./directory-store.ts");
  return openDirectoryStore(folder);
}

/** The URL of the store that a user names: a folder, or `nats://<bucket>`. Throws `usage` for anything else. */
export function storeUrl(text: string): string {
  if (bucketOf(text) !== undefined) return text;
  const folder = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? folderOf(text) : text;
  if (folder !== undefined && folder !== "") return pathToFileURL(resolve(folder)).href;
  throw new OrderctlError("usage", `${JSON.stringify(text)} is no place for an archive`, {
    hint: "it is a folder, or nats://<bucket> for a bucket of the broker, whose name has letters, digits, - and _",
  });
}

const bucketOf = (url: string): string | undefined => /^nats:\/\/([A-Za-z0-9_-]+)$/.exec(url)?.[1];

function folderOf(url: string): string | undefined {
  try {
    return fileURLToPath(url);
  } catch {
    return undefined;
  }
}
