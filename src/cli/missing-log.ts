import { OrderctlError } from "../core/errors.ts";
import type { Connection } from "../jetstream/client/connection.ts";

/** Says which server has no such log, and what would make one; any other error passes through. */
export function explainMissingLog(
  thrown: unknown,
  { connection: { server }, flow: { stream } }: { connection: Connection; flow: { stream: string } },
): OrderctlError {
  const error = OrderctlError.from(thrown);
  if (error.code !== "not_found") return error;
  return new OrderctlError("not_found", `there is no stream ${stream} at ${server}`, {
    hint: "`orderctl up` or `orderctl serve all` creates it; --server or --context names another broker",
    cause: thrown,
  });
}
