import { deadLettersStream, redrivesStream } from "../flow/flow-topology.ts";
import type { Connection } from "../jetstream/client/connection.ts";
import { deleteMessage } from "../jetstream/dead-letters/dead-letter-store.ts";
import type { DeadLetter, DeadMessage } from "./dead-letters.ts";

export type PurgeReport = { dryRun: boolean; purged: DeadLetter[] };

/**
 * Deletes dead letters for good, together with their redrives, even pending ones. The events they copy stay in the log.
 */
export async function purgeDeadLetters(
  connection: Connection,
  found: readonly DeadMessage[],
  { dryRun, signal }: { dryRun: boolean; signal: AbortSignal },
): Promise<PurgeReport> {
  const purged: DeadLetter[] = [];
  for (const { letter, redriveSequences } of found) {
    signal.throwIfAborted();
    // Counts only what this call deleted: another caller may delete the same dead letter first.
    if (dryRun || (await forget(connection, letter, redriveSequences))) purged.push(letter);
  }
  return { dryRun, purged };
}

/**
 * Deletes the dead letter before its redrives: as long as it exists, its redrives tell its state. Returns false when it
 * was already gone.
 */
async function forget(
  connection: Connection,
  { sequence }: DeadLetter,
  redrives: number[],
): Promise<boolean> {
  const isDeleted = await deleteMessage(connection, deadLettersStream, sequence);
  for (const redrive of redrives) await deleteMessage(connection, redrivesStream, redrive);
  return isDeleted;
}
