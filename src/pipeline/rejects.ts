import { once } from "node:events";
import { createWriteStream, type WriteStream } from "node:fs";
import { OrderctlError } from "../errors.ts";
import type { Reject } from "../orders/sources/order-source.ts";

const shownAtMost = 20;

/** Collects the rows of a file that are no orders: the first twenty for the eye, all of them for a file. */
export class Rejects {
  readonly shown: Reject[] = [];
  readonly #file: WriteStream | undefined;
  #count = 0;
  #failure: Error | undefined;

  constructor(file: string | undefined) {
    this.#file = file === undefined ? undefined : createWriteStream(file);
    this.#file?.on("error", (error) => {
      this.#failure = error;
    });
  }

  get count(): number {
    return this.#count;
  }

  add(reject: Reject): void {
    this.#count += 1;
    if (this.shown.length < shownAtMost) this.shown.push(reject);
    this.#file?.write(`${JSON.stringify(reject)}\n`);
  }

  /** Resolves when every reject is in the file; rejects with `usage` when the file could not be written. */
  async close(): Promise<void> {
    if (!this.#file) return;
    this.#file.end();
    // An error rejects this wait as well, and is told below.
    if (!this.#file.closed && !this.#failure) await once(this.#file, "close").catch(() => undefined);
    if (this.#failure) {
      throw new OrderctlError("usage", `cannot write the rejects: ${this.#failure.message}`, {
        cause: this.#failure,
      });
    }
  }
}
