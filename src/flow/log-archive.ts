import type { LogCost } from "./log-cost.ts";
import type { ProcessStatus } from "./process-status.ts";

/** The service that archives the log of any flow. */
export const archiveService = "archive";

/** What a process tells of the archive that it writes. */
export type ArchiveState = NonNullable<ProcessStatus["archive"]>;

/** The problem of an archiver that a consumer holds back. */
export const heldBackText = ({ consumer, since, sequence }: NonNullable<ArchiveState["heldBack"]>): string =>
  `consumer ${consumer} holds back the archive since ${since}: it has not settled message ${sequence}`;

/** Who archives a log, how far, and what the rest of it costs the broker. */
export type LogArchive = {
  /** By the broker's clock. */
  sampledAt: string;
  /** The process that is furthest; `null` where none says that it archives this log. */
  archiver: (ArchiveState & { instance: string }) | null;
  /**
   * What keeps archivers of this log from their work, but for a consumer that holds them back; the instance before each
   * where there are several.
   */
  problems: string[];
  cost: LogCost;
};

/** Any program may answer, at any length, so the number and length of the shown problems are limited. */
const mostProblems = 5;
const longestProblem = 300;

export function buildLogArchive(
  stream: string,
  processes: readonly ProcessStatus[],
  { sampledAt, cost }: Pick<LogArchive, "sampledAt" | "cost">,
): LogArchive {
  const archivers = processes.filter(({ archive }) => archive?.stream === stream);
  const states = archivers.flatMap(({ instance, archive }) => (archive ? [{ ...archive, instance }] : []));
  states.sort((a, b) => (b.movedTo ?? -1) - (a.movedTo ?? -1));
  const held = new Set(states.flatMap(({ heldBack }) => (heldBack ? [heldBackText(heldBack)] : [])));
  const problems = archivers.flatMap(({ instance, problems: own }) =>
    own
      .filter(({ consumer, text }) => consumer === archiveService && !held.has(text))
      .map(({ text }) => `${archivers.length > 1 ? `${instance}: ` : ""}${text.slice(0, longestProblem)}`),
  );
  return { sampledAt, archiver: states[0] ?? null, problems: problems.slice(0, mostProblems), cost };
}
