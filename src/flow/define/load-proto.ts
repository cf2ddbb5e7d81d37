import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, extname, isAbsolute, join, resolve } from "node:path";
import protobuf from "protobufjs";
import { OrderctlError } from "../../core/errors.ts";

const descriptorSets = new Set([".binpb", ".desc", ".pb", ".protoset"]);

/**
 * The types of `.proto` files, folders of them (with the folders in them), and descriptor sets. Imports are looked for
 * beside the file that imports, then in the folders, then among those that protobuf itself ships. Throws `usage` with
 * the file, the line and the reason.
 */
export async function loadProto(paths: readonly string[]): Promise<protobuf.Root> {
  const root = new protobuf.Root();
  const folders = paths.filter((path) => isFolder(path));
  root.resolvePath = (origin, target) => findImport({ origin, target, folders });
  const files = paths.flatMap((path) => (isFolder(path) ? protoFilesIn(path) : [path]));
  for (const path of files) {
    if (descriptorSets.has(extname(path))) await addDescriptorSet(root, path);
    else loadFile(root, path);
  }
  try {
    root.resolveAll();
  } catch (thrown) {
    throw unreadable(paths.join(", "), thrown);
  }
  return root;
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (thrown) {
    throw unreadable(path, thrown);
  }
}

const protoFilesIn = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".proto"))
    .sort()
    .map((name) => join(folder, name));

type Import = { origin: string; target: string; folders: readonly string[] };

function findImport({ origin, target, folders }: Import): string {
  if (isAbsolute(target)) return target;
  const places = [...(origin ? [dirname(origin)] : []), ...folders].map((folder) => resolve(folder, target));
  const found = places.find((path) => isThere(path));
  return found ?? (target in protobuf.common ? target : (places[0] ?? target));
}

function isThere(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

function loadFile(root: protobuf.Root, path: string): void {
  try {
    root.loadSync(path);
  } catch (thrown) {
    throw unreadable(path, thrown);
  }
}

async function addDescriptorSet(root: protobuf.Root, path: string): Promise<void> {
  try {
    await import("protobufjs/ext/descriptor.js");
    const { nestedArray } = protobuf.Root.fromDescriptor(readFileSync(path));
    for (const nested of [...nestedArray]) root.add(nested);
  } catch (thrown) {
    throw unreadable(path, thrown);
  }
}

function unreadable(path: string, thrown: unknown): OrderctlError {
  if (thrown instanceof OrderctlError) return thrown;
  const { message } = thrown instanceof Error ? thrown : new Error(String(thrown));
  return new OrderctlError("usage", `${path}: ${message}`, { cause: thrown });
}
