import { isPruned } from "./archived-log.ts";
import type { Auditor } from "./audit-contract.ts";
import type { FlowLog } from "./flow.ts";

/**
 * The keys of which an auditor was given a first event although the archive has one up to sequence `to`: the end of
 * what its state knows or, for one without a state, of the archive. To be handed to `addRepeats`.
 */
export async function findRepeats(
  { flow, archive }: FlowLog,
  auditor: Pick<Auditor, "maybeRepeated">,
  to: number,
): Promise<Set<string>> {
  const suspects = [...new Set(auditor.maybeRepeated())];
  const repeats = new Set<string>();
  if (suspects.length === 0 || to < 1) return repeats;
  // They are few: each lookup is exact, and takes as long as reading a page of a segment.
  for (const key of await archive.hasKeys(suspects, to)) {
    const archived = await archive.readKey(key).catch((thrown) => {
      if (isPruned(thrown)) return undefined;
      throw thrown;
    });
    // What was pruned cannot tell; that it was archived makes a repeat of the key.
    if (!archived) {
      repeats.add(key);
      continue;
    }
    const isFirst = (subject: string) => flow.parseSubject(subject)?.kind === flow.firstKind;
    if (archived.some(({ subject, sequence }) => sequence <= to && isFirst(subject))) repeats.add(key);
  }
  return repeats;
}
