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
  const isFirst = (subject: string) => flow.parseSubject(subject)?.kind === flow.firstKind;
  for await (const { key, messages } of archive.readKeys(suspects, to)) {
    // What was pruned cannot tell; that it was archived makes a repeat of the key.
    if (!messages || messages.some(({ subject }) => isFirst(subject))) repeats.add(key);
  }
  return repeats;
}
