import { type ArchivedLog, nothingArchived } from "../flow/archived-log.ts";
import type { FlowShape } from "../flow/flow.ts";
import type { Connection } from "../jetstream/client/connection.ts";

/** What the archive of a flow's log holds. Reads nothing, and loads no code for reading it, before it is asked. */
export function openArchivedLog(_connection: Connection, _flow: FlowShape): ArchivedLog {
  return nothingArchived;
}
