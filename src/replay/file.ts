import { createWriteStream } from "node:fs";
import { finished } from "node:stream/promises";
import { OrderctlError } from "../errors.ts";
import { ChangeSignal } from "../jetstream/change-signal.ts";
import { replayDocument } from "./document.ts";
import type { FileResult, ReplayTarget } from "./target.ts";

export type FileOptions = {
  /** A path, or `-` for `stdout`. */
  file: string;
  /** Add to the file instead of replacing it. */
  append: boolean;
  stdout: NodeJS.WritableStream;
};

/** Writes each message as one line of JSON, as `replayDocument` makes it. A file that cannot be written is a `usage` error. */
export function createFileTarget({ file, append, stdout }: FileOptions): ReplayTarget {
  const own = file === "-" ? undefined : createWriteStream(file, { flags: append ? "a" : "w" });
  const sink = own ?? stdout;
  // Each write is told of it as well, and so is the end.
  own?.on("error", () => undefined);
  const result: FileResult = { target: "file", file, lines: 0, undecodable: 0 };
  const settled = new ChangeSignal();
  let underWay = 0;
  return {
    take(message, settle) {
      const { document, isEvent } = replayDocument(message);
      underWay += 1;
      const hasRoom = sink.write(`${JSON.stringify(document)}\n`, (error) => {
        underWay -= 1;
        if (!error) {
          result.lines += 1;
          if (!isEvent) result.undecodable += 1;
        }
        settle(error ? cannotWrite(file, error) : undefined);
        settled.changed();
      });
      return hasRoom ? undefined : settled.until(() => underWay === 0);
    },
    drain: () => settled.until(() => underWay === 0),
    async close() {
      own?.end();
      if (own) await finished(own).catch((cause) => Promise.reject(cannotWrite(file, cause)));
    },
    result: () => result,
  };
}

const cannotWrite = (file: string, cause: Error): OrderctlError =>
  new OrderctlError("usage", `cannot write ${file}: ${cause.message}`, { cause });
