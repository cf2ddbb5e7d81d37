import { randomUUID } from "node:crypto";
import { closeSync, fstatSync, openSync, read, readSync } from "node:fs";
import { mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { OrderctlError, systemCode } from "../core/errors.ts";
import { checkFolder } from "../core/private-files.ts";
import type { SegmentFile, SegmentStore } from "./segment-store.ts";

/** How the name of a file ends while it is being written. */
const draftEnd = ".part";

/**
 * Segments as files in a folder. The first write makes the folder, which only this user may enter; a write rejects with
 * `usage` where another user could replace what lies there. The draft that a crashed process left behind is not listed
 * and goes with the next write under its name.
 */
export function openDirectoryStore(folder: string): SegmentStore {
  const root = resolve(folder);
  const url = pathToFileURL(root).href;
  const guarded = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (thrown) {
      throw unavailable(`cannot ${what}`, thrown);
    }
  };
  return {
    url,
    write: (name, content) =>
      guarded(`write ${url}/${name}`, () => writeWhole({ root, path: pathOf(root, name) }, content)),
    open: (name) =>
      guarded(`read ${url}/${name}`, async () => openFile(pathOf(root, name), `${url}/${name}`)),
    remove: (name) => guarded(`remove ${url}/${name}`, () => rm(pathOf(root, name), { force: true })),
    list: () => guarded(`list ${url}`, () => listFiles(root)),
    async close() {},
  };
}

function unavailable(what: string, thrown: unknown): OrderctlError {
  if (thrown instanceof OrderctlError) return thrown;
  return new OrderctlError("unavailable", `${what}: ${reasonOf(thrown)}`, { cause: thrown, source: "store" });
}

/** The words of a system error without its code, call and path: `no space left on device`. */
function reasonOf(thrown: unknown): string {
  const { message } = thrown instanceof Error ? thrown : new Error(String(thrown));
  return systemCode(thrown) === undefined ? message : message.replace(/^\w+: |, \w+( '.*)?$/gs, "");
}

/** Names come from the manifest: one that leads out of the folder is none. */
function pathOf(root: string, name: string): string {
  const path = resolve(root, name);
  const isPlain = path.startsWith(join(root, sep)) && relative(root, path).replaceAll(sep, "/") === name;
  if (isPlain && !name.endsWith(draftEnd)) return path;
  throw new Error("it is not the name of an archived file");
}

type Place = { root: string; path: string };

/**
 * The content is on the disk before it gets its name, and the name before this resolves: a crash leaves the whole file
 * or none.
 */
async function writeWhole({ root, path }: Place, content: Uint8Array): Promise<void> {
  const folder = dirname(path);
  const firstMade = await mkdir(folder, { recursive: true, mode: 0o700 });
  checkFolder(root);
  await removeDrafts(path);
  const draft = `${path}.${randomUUID()}${draftEnd}`;
  try {
    await writeDraft(draft, content);
    await rename(draft, path);
  } catch (thrown) {
    await rm(draft, { force: true });
    throw thrown;
  }
  const isRootNew = firstMade !== undefined && `${root}${sep}`.startsWith(`${firstMade}${sep}`);
  await syncFolders(folder, isRootNew ? dirname(firstMade) : root);
}

async function removeDrafts(path: string): Promise<void> {
  const folder = dirname(path);
  const isDraft = (name: string) => name.startsWith(`${basename(path)}.`) && name.endsWith(draftEnd);
  for (const name of (await readdir(folder)).filter(isDraft)) await rm(join(folder, name), { force: true });
}

async function writeDraft(path: string, content: Uint8Array): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Makes the names in a folder last, and in those above it up to `highest`. */
async function syncFolders(folder: string, highest: string): Promise<void> {
  // Windows opens no folders; its file systems write names by themselves.
  if (process.platform === "win32") return;
  const handle = await open(folder);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
  if (folder !== highest) await syncFolders(dirname(folder), highest);
}

/**
 * The calls that block take 20 µs for a file and a small part of it; those that do not, through the thread pool, take
 * five times as long, and a look-up opens the key files of all segments.
 */
function openFile(path: string, name: string): SegmentFile {
  const file = openSync(path, "r");
  const { size } = fstatSync(file);
  return {
    name,
    bytes: size,
    async read(start, end) {
      try {
        return await readPart(file, start, end);
      } catch (thrown) {
        throw unavailable(`cannot read ${name}`, thrown);
      }
    },
    close: async () => closeSync(file),
  };
}

const smallPart = 64 * 1024;
const readFromDisk = promisify(read);

async function readPart(file: number, start: number, end: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(end - start);
  for (let done = 0; done < bytes.length; ) {
    const part = [bytes, done, bytes.length - done, start + done] as const;
    const count =
      bytes.length <= smallPart ? readSync(file, ...part) : (await readFromDisk(file, ...part)).bytesRead;
    if (count === 0) throw new Error(`it ends before byte ${end}`);
    done += count;
  }
  return bytes;
}

async function listFiles(root: string): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && !entry.name.endsWith(draftEnd))
    .map(({ parentPath, name }) => relative(root, join(parentPath, name)).replaceAll(sep, "/"));
}
