import { OrderctlError } from "../core/errors.ts";

/** So many bytes may be held at once, by all requests together. */
export class ByteBudget {
  readonly #limit: number;
  #held = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get held(): number {
    return this.#held;
  }

  /** Throws `unavailable` where there is no room: whoever sends has to come again. */
  take(bytes: number): void {
    if (this.#held + bytes > this.#limit)
      throw new OrderctlError("unavailable", "too many spans are waiting to be stored");
    this.#held += bytes;
  }

  give(bytes: number): void {
    this.#held -= bytes;
  }
}
