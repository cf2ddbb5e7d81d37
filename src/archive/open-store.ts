import { fileURLToPath, pathToFileURL } from "node:url";
import type { Connection } from "../jetstream/client/connection.ts";
import { openDirectoryStore } from "./directory-store.ts";
import type { SegmentStore } from "./segment-store.ts";

type Options = { connection: Connection; cacheDir: string; replicas?: number };

/** Stand-in: a folder only. */
export const openStore = async (url: string, _options: Options): Promise<SegmentStore> =>
  openDirectoryStore(fileURLToPath(url));

export const storeUrl = (named: string): string => pathToFileURL(named).href;
