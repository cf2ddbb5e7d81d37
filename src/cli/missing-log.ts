import { OrderctlError } from "../core/errors.ts";
import { isPruned } from "../flow/archived-log.ts";
import type { Connection } from "../jetstream/client/connection.ts";

/**
 * Turns `not_found` into an error that names the server without the stream and the commands that create it; any other
 * error passes through.
 */
export function explainMissingLog(
  thrown: unknown,
  { connection: { server }, flow: { stream } }: { connection: Connection; flow: { stream: string } },
): OrderctlError {
  const error = OrderctlError.from(thrown);
  if (error.code !== "not_found" || isPruned(error)) return error;
  return new OrderctlError("not_found", `there is no stream ${stream} at ${server}`, {
    hint: "`orderctl up` or `orderctl serve all` creates it; --server or --context names another broker",
    cause: thrown,
  });
}
