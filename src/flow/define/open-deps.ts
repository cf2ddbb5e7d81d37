import { OrderctlError } from "../../core/errors.ts";
import type { DepsOptions } from "./define-flow.ts";

/** What handlers get as `ctx.deps`. Rejects with `unavailable` where it cannot be opened. */
export async function openDeps(
  open: ((options: DepsOptions) => unknown) | undefined,
  options: DepsOptions,
): Promise<unknown> {
  try {
    return await open?.(options);
  } catch (thrown) {
    const { message } = OrderctlError.from(thrown);
    throw new OrderctlError("unavailable", `what the services work with cannot be opened: ${message}`, {
      cause: thrown,
      source: "dependency",
    });
  }
}
