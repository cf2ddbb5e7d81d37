import { type FileHandle, open } from "node:fs/promises";
import { OrderctlError, systemCode } from "../core/errors.ts";

/** A file as it is made ready to be added to. */
export type FileEnd = {
  /** How long it is now. */
  bytes: number;
  /** Its last line, where that was whole and only its line break was missing. */
  unendedLine?: string;
  /** What was done to it, for people. */
  repair?: string;
};

const chunkBytes = 64 * 1024;
/** No line of a replay is longer: a message of 64 MB at most, in base64. */
const longestLine = 96 * 1024 * 1024;
/** How each line begins that a replay writes. */
const beginnings = ['{"order_id":', '{"subject":'];

/**
 * Makes a file ready for more lines of a replay: half a line, as a full disk or a kill leaves it, is cut off, and a missing line
 * break is added. A file that is not there, or none that has an end (a pipe, a device), is taken as it is. Throws
 * `usage` for one that ends in something else than a line of a replay, and leaves it alone.
 */
export async function prepareEnd(file: string): Promise<FileEnd> {
  const handle = await open(file, "r+").catch((thrown) => {
    if (systemCode(thrown) === "ENOENT") return undefined;
    throw thrown;
  });
  try {
    const found = await handle?.stat();
    return handle && found?.isFile() ? await repairEnd(handle, file, found.size) : { bytes: 0 };
  } finally {
    await handle?.close();
  }
}

async function repairEnd(handle: FileHandle, file: string, size: number): Promise<FileEnd> {
  const end = await readEnd(handle, size);
  const lastBreak = end.lastIndexOf("\n");
  const rest = end.subarray(lastBreak + 1);
  const lastLine =
    lastBreak < 0 ? undefined : String(end.subarray(end.lastIndexOf("\n", lastBreak - 1) + 1, lastBreak));
  const isOurs = lastLine === undefined ? size === 0 || isBeginning(rest) : isLine(lastLine);
  if (!isOurs) throw notOurs(file);
  if (rest.length === 0) return { bytes: size };
  const text = String(rest);
  if (isLine(text)) {
    await handle.write("\n", size);
    return {
      bytes: size + 1,
      unendedLine: text,
      repair: `${file}: its last line had no line break; added one`,
    };
  }
  const bytes = size - rest.length;
  await handle.truncate(bytes);
  return { bytes, repair: `${file} ended in half a line: cut off its last ${rest.length} bytes` };
}

/** The end of a file from the beginning of its last whole line on. */
async function readEnd(handle: FileHandle, size: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let breaks = 0;
  let from = size;
  while (from > 0 && breaks < 2 && size - from < longestLine) {
    const length = Math.min(chunkBytes, from);
    from -= length;
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, from);
    chunks.unshift(buffer.subarray(0, bytesRead));
    for (let at = buffer.indexOf("\n"); at >= 0; at = buffer.indexOf("\n", at + 1)) breaks += 1;
  }
  return Buffer.concat(chunks);
}

function isLine(text: string): boolean {
  try {
    const value = JSON.parse(text);
    return typeof value?.order_id === "string" || typeof value?.subject === "string";
  } catch {
    return false;
  }
}

const isBeginning = (rest: Buffer): boolean =>
  beginnings.some((beginning) => {
    const length = Math.min(rest.length, beginning.length);
    return String(rest.subarray(0, length)) === beginning.slice(0, length);
  });

const notOurs = (file: string): OrderctlError =>
  new OrderctlError("usage", `${file} is no file that a replay wrote: its end is no line of one`, {
    hint: "--out names another file; without --append this one is replaced",
  });
