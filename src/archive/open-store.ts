import { mkdir, open, readdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { OrderctlError } from "../core/errors.ts";
import type { Connection } from "../jetstream/client/connection.ts";
import type { SegmentStore } from "./segment-store.ts";

type Options = { connection: Connection; cacheDir: string; replicas?: number };

/** Stand-in: a folder only. */
export async function openStore(url: string, _options: Options): Promise<SegmentStore> {
  const folder = fileURLToPath(url);
  const unavailable = (name: string, thrown: unknown) =>
    new OrderctlError("unavailable", `cannot read ${name} in ${url}: ${String(thrown)}`, { source: "store" });
  return {
    url,
    async write(name, content) {
      const path = join(folder, name);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(`${path}.part`, content);
      await rename(`${path}.part`, path);
    },
    async open(name) {
      try {
        const file = await open(join(folder, name));
        const { size } = await file.stat();
        return {
          bytes: size,
          read: async (start, end) => {
            const bytes = Buffer.alloc(end - start);
            await file.read(bytes, 0, end - start, start);
            return bytes;
          },
          close: () => file.close(),
        };
      } catch (thrown) {
        throw unavailable(name, thrown);
      }
    },
    remove: (name) => rm(join(folder, name), { force: true }),
    async list() {
      const found = await readdir(folder, { recursive: true, withFileTypes: true });
      return found
        .filter((each) => each.isFile())
        .map((each) => relative(folder, join(each.parentPath, each.name)));
    },
    close: async () => {},
  };
}

export const storeUrl = (named: string): string => pathToFileURL(named).href;
