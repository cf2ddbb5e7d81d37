import type { StartedArchive } from "../archive/start-archive.ts";
import { isoTime } from "../core/units.ts";
import type { ArchiveState } from "../flow/log-archive.ts";
import type { ArchiveFigures, Metrics } from "../telemetry/metrics/metrics.ts";

/** What this process answers to whoever asks for the archive of a stream. */
export function tellArchive(stream: string, { store, status }: StartedArchive): ArchiveState {
  const { heldBack, ...seen } = status() ?? nothingSeen;
  const holder = heldBack && {
    consumer: heldBack.consumer,
    since: isoTime(heldBack.storedAtUs),
    sequence: heldBack.sequence,
  };
  return { stream, store, ...seen, heldBack: holder ?? null };
}

const nothingSeen = {
  movedTo: null,
  movedToUs: null,
  firstSequence: null,
  segments: null,
  bytes: null,
  behind: null,
  lagMs: null,
  heldBack: undefined,
};

/** `aheadUs`: how far this machine's clock is ahead of the broker's. */
export function observeArchive(
  metrics: Metrics,
  archive: StartedArchive,
  { stream, aheadUs }: { stream: string; aheadUs: () => number },
): void {
  metrics.observeArchive(stream, () => figuresOf(archive, Date.now() * 1000 - aheadUs()));
}

function figuresOf({ status, problems }: StartedArchive, nowUs: number): ArchiveFigures {
  const seen = status();
  const { heldBack } = seen ?? {};
  return {
    state: seen && {
      ...seen,
      heldBack: heldBack && {
        consumer: heldBack.consumer,
        forMs: Math.max(0, (nowUs - heldBack.storedAtUs) / 1000),
      },
    },
    // The consumer that holds it back has a metric of its own.
    problems: problems().length - (heldBack ? 1 : 0),
  };
}
