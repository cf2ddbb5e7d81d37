import { fileURLToPath } from "node:url";

/** Where in a module something was written: errors of loading name it. */
export type Place = { file: string; line: number };

/** Where the caller of the caller was called from; undefined where the engine does not tell. */
export function placeOfCaller(): Place | undefined {
  // The first line is the error's own, the others are this function, its caller, and the place that is asked for.
  const line = new Error().stack?.split("\n")[3];
  const [, file, row] = /at (?:.*? \()?(\S.*?):(\d+):\d+\)?$/.exec(line ?? "") ?? [];
  if (file === undefined || row === undefined) return undefined;
  return { file: file.startsWith("file:") ? fileURLToPath(file) : file, line: Number(row) };
}
