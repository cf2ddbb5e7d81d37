import { OrderctlError } from "../core/errors.ts";

/** Limits how many bytes all requests together may hold at once. */
export class ByteBudget {
  readonly #limit: number;
  #held = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get held(): number {
    return this.#held;
  }

  /** Throws `unavailable` if the limit would be exceeded: the sender has to try again later. */
  take(bytes: number): void {
    if (this.#held + bytes > this.#limit)
      throw new OrderctlError("unavailable", "too many spans are waiting to be stored");
    this.#held += bytes;
  }

  give(bytes: number): void {
    this.#held -= bytes;
  }
}
