import type { Fence, FenceAnswer } from "../jetstream/publish/publication.ts";
import { readBySequence, readLast } from "../jetstream/streams/read-message.ts";
import type { ArchiveProgress } from "./archived-log.ts";
import type { FlowLog } from "./flow.ts";

/** Whether what follows from a message may be stored under a subject. */
export type OutcomeFence = (causeSequence: number, subject: string) => Fence;

/**
 * A worker that was suspended may come back to a delivery that another has settled long ago. Once its event is archived,
 * what followed from it may have left the stream, which then would take it again. So nothing is stored while it is not
 * known what is archived, and behind an archived event only what is seen not to be there.
 */
export const outcomeFence =
  (log: FlowLog, progress: ArchiveProgress): OutcomeFence =>
  (causeSequence, subject) =>
  () => {
    if (!progress.isKnown()) return "wait";
    return progress.hasArchived(causeSequence) ? lookUp(log, causeSequence, subject) : "open";
  };

/**
 * The stream loses its messages from the front: while it holds the cause, it holds all that followed from it. That is
 * asked for in this order, and what is stored between the two is purged 10 s later at the earliest.
 */
async function lookUp(
  { connection, flow }: Pick<FlowLog, "connection" | "flow">,
  causeSequence: number,
  subject: string,
): Promise<FenceAnswer> {
  const held = await readLast(connection, flow.stream, subject);
  if (held) return { sequence: held.sequence, duplicate: true, existing: held.payload };
  return (await readBySequence(connection, flow.stream, causeSequence)) ? "open" : "closed";
}
