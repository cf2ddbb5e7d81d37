import { archiveDir } from "../core/directories.ts";
import { OrderctlError } from "../core/errors.ts";
import type { Note } from "../core/note.ts";
import type { FlowLog } from "../flow/flow.ts";
import { type Archiver, leastSettleMs, startArchiver } from "./archiver.ts";
import { openStore, storeUrl } from "./open-store.ts";
import { SegmentedLog } from "./segmented-log.ts";

export type ArchiveFlags = {
  /** A folder or `nats://<bucket>`, as the user types it. */
  archive?: string;
  keep: number;
  segmentEvents: number;
};

/** `store` is the URL of the store. */
export type StartedArchive = Archiver & { store: string };

const longestBetweenPurgesMs = 60_000;
/**
 * nats-server writes its files through to the disk every 2 minutes: an entry of the manifest that a power cut could
 * still undo must not have its messages purged, which would stay purged.
 */
const throughMs = 130_000;

/**
 * Starts the archiver of a log, into the store that the flags name, else the one that the manifest names, else a folder
 * of this user.
 */
export async function startArchive(
  log: FlowLog,
  { archive: named, keep, segmentEvents }: ArchiveFlags,
  { env, replicas, note }: { env: NodeJS.ProcessEnv; replicas: number; note: Note },
): Promise<StartedArchive> {
  const { connection, flow } = log;
  if (!flow.isManaged)
    throw new OrderctlError(
      "usage",
      `nothing is archived of ${flow.stream}: the stream is not orderctl's own`,
    );
  const archive = new SegmentedLog(connection, flow, env);
  await archive.manifest.refresh();
  const used = archive.manifest.segments.at(-1)?.store;
  const url = named === undefined ? (used ?? storeUrl(archiveDir(env))) : storeUrl(named);
  const store = await openStore(url, { connection, cacheDir: archive.cacheDir, replicas });
  const archiver = startArchiver(log, archive, {
    store,
    keepMs: keep,
    segmentEvents,
    purgeEveryMs: Math.min(keep / 2, longestBetweenPurgesMs),
    settleMs: Math.max(leastSettleMs, Math.min(keep, throughMs)),
    note,
  });
  return { ...archiver, store: url };
}
