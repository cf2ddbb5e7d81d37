import { OrderctlError } from "../core/errors.ts";
import type { Connection } from "../jetstream/client/connection.ts";
import { ordersStream } from "../orders/subjects.ts";

/** Says which server has no log of orders, and what would make one; any other error passes through. */
export function explainMissingLog(thrown: unknown, { server }: Connection): OrderctlError {
  const error = OrderctlError.from(thrown);
  if (error.code !== "not_found") return error;
  return new OrderctlError("not_found", `there is no stream ${ordersStream} at ${server}`, {
    hint: "`orderctl up` or `orderctl serve all` creates it; --server or --context names another broker",
    cause: thrown,
  });
}
