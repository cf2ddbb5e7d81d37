import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { OrderctlError, systemCode } from "../../core/errors.ts";

const batchSize = 500;

/**
 * Keeps rows in a temporary file between the two passes over them; only one batch is in memory. The file has no name
 * (it is removed once it is open), so nothing stays behind, however the process ends. Throws `output` if it cannot be
 * written.
 */
export class RowSpool<Row> {
  readonly #file: number;
  /** Number of bytes of each batch, which is one JSON array. */
  readonly #sizes: number[] = [];
  #batch: Row[] = [];

  constructor() {
    this.#file = guarded(() => {
      const dir = mkdtempSync(join(tmpdir(), "orderctl-rows-"));
      const file = openSync(join(dir, "rows"), "wx+", 0o600);
      rmSync(dir, { recursive: true });
      return file;
    });
  }

  add(row: Row): void {
    this.#batch.push(row);
    if (this.#batch.length >= batchSize) this.#flush();
  }

  /** All rows, in the order in which they were added. */
  *read(): Generator<Row> {
    this.#flush();
    let at = 0;
    for (const size of this.#sizes) {
      const bytes = Buffer.allocUnsafe(size);
      guarded(() => readFully(this.#file, bytes, at));
      at += size;
      yield* JSON.parse(bytes.toString()) as Row[];
    }
  }

  close(): void {
    closeSync(this.#file);
  }

  #flush(): void {
    if (this.#batch.length === 0) return;
    const bytes = Buffer.from(JSON.stringify(this.#batch));
    guarded(() => {
      for (let done = 0; done < bytes.length; ) done += writeSync(this.#file, bytes, done);
    });
    this.#sizes.push(bytes.length);
    this.#batch = [];
  }
}

function readFully(file: number, bytes: Buffer, position: number): void {
  for (let done = 0; done < bytes.length; ) {
    const read = readSync(file, bytes, done, bytes.length - done, position + done);
    if (read === 0) throw new OrderctlError("internal", "the temporary file is shorter than it was");
    done += read;
  }
}

function guarded<T>(work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (systemCode(cause) === undefined) throw cause;
    const message = `cannot keep the rows of the file in ${tmpdir()}: ${(cause as Error).message}`;
    throw new OrderctlError("output", message, {
      hint: "it needs about as much room as the CSV file has bytes; TMPDIR names another folder",
      cause,
    });
  }
}
