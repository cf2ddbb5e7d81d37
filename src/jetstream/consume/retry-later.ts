import { OrderctlError } from "../../core/errors.ts";

/** Thrown by a processor that asks for its delivery again after `afterMs`: that counts as no failure. */
export class RetryLater extends OrderctlError {
  readonly afterMs: number;

  constructor(afterMs: number, why: string) {
    super("unavailable", why);
    this.afterMs = afterMs;
  }
}
