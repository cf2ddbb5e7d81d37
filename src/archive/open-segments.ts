import type { App } from "../cli/command-action.ts";
import { explainMissingLog } from "../cli/missing-log.ts";
import { OrderctlError } from "../core/errors.ts";
import type { Connection } from "../jetstream/client/connection.ts";
import { SegmentedLog } from "./segmented-log.ts";

type Place = Pick<App, "flow" | "env"> & { connection: Connection };

/** The archive of a flow's log as of now. Rejects with `not_found` where nothing is archived. */
export async function openSegments(place: Place): Promise<SegmentedLog> {
  const { connection, flow, env } = place;
  const archive = new SegmentedLog(connection, flow, env);
  await archive.manifest.refresh().catch((thrown) => {
    throw explainMissingLog(thrown, place);
  });
  if (archive.manifest.segments.length === 0) throw noArchive(place);
  return archive;
}

/** The error for a log of which nothing is archived. */
export const noArchive = (
  { flow, connection }: Place,
  hint = "orderctl serve archive archives it",
): OrderctlError =>
  new OrderctlError("not_found", `nothing of ${flow.stream} at ${connection.server} is archived`, { hint });
