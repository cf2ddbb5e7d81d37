import { once } from "node:events";
import { type FileHandle, open } from "node:fs/promises";
import { OrderctlError } from "../../core/errors.ts";
import type { Reject } from "./reject.ts";

type Stream = ReturnType<FileHandle["createWriteStream"]>;

const shownAtMost = 20;

/** Collects the rejected rows of a file: the first twenty to be shown, all of them in a file if the user names one. */
export class Rejects {
  readonly shown: Reject[] = [];
  readonly #file: Stream | undefined;
  #count = 0;
  #failure: Error | undefined;

  private constructor(file: Stream | undefined) {
    this.#file = file?.on("error", (error) => {
      this.#failure = error;
    });
  }

  /** Rejects with `output` if the file cannot be opened; to be called before anything is stored. */
  static async open(path: string | undefined): Promise<Rejects> {
    if (path === undefined) return new Rejects(undefined);
    try {
      return new Rejects((await open(path, "w")).createWriteStream());
    } catch (cause) {
      throw notWritten(cause);
    }
  }

  get count(): number {
    return this.#count;
  }

  add(reject: Reject): void {
    this.#count += 1;
    if (this.shown.length < shownAtMost) this.shown.push(reject);
    this.#file?.write(`${JSON.stringify(reject)}\n`);
  }

  /** Resolves when every reject is in the file; rejects with `output` when the file could not be written. */
  async close(): Promise<void> {
    if (!this.#file) return;
    this.#file.end();
    // An `error` event rejects `once` as well; `#failure` reports it below.
    if (!this.#file.closed && !this.#failure) await once(this.#file, "close").catch(() => undefined);
    if (this.#failure) throw notWritten(this.#failure);
  }
}

const notWritten = (cause: unknown): OrderctlError =>
  new OrderctlError("output", `cannot write the rejects: ${OrderctlError.from(cause).message}`, {
    hint: "name another file with --rejects: what is stored is not stored again",
    cause,
  });
