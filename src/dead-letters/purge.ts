import { deadLettersStream, redrivesStream } from "../flow/topology.ts";
import type { Connection } from "../jetstream/client/connection.ts";
import { deleteMessage } from "../jetstream/dead-letters/dead-letter-store.ts";
import type { DeadLetter, DeadMessage } from "./dead-letters.ts";

export type PurgeReport = { dryRun: boolean; purged: DeadLetter[] };

/**
 * Deletes dead letters for good, and with them their redrives, also one that waits; what they were copies of stays in
 * the log.
 */
export async function purgeDeadLetters(
  connection: Connection,
  found: readonly DeadMessage[],
  { dryRun, signal }: { dryRun: boolean; signal: AbortSignal },
): Promise<PurgeReport> {
  const purged: DeadLetter[] = [];
  for (const { letter, redriveSequences } of found) {
    signal.throwIfAborted();
    // Somebody else may be quicker.
    if (dryRun || (await forget(connection, letter, redriveSequences))) purged.push(letter);
  }
  return { dryRun, purged };
}

/**
 * The dead letter first: while there is one, its redrives tell what became of it. False where it was gone already.
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
