import { type DeadLetter, eachDeadLetter } from "../dead-letters/dead-letters.ts";
import { fits } from "../dead-letters/filter.ts";
import type { Auditor } from "../flow/audit-contract.ts";
import type { FlowLog } from "../flow/flow.ts";

/**
 * For each order in the log with an unsettled dead letter, why it was given up: by the oldest dead letter whose message
 * is a valid event, else by the oldest one.
 */
export async function readGivenUp(
  log: FlowLog,
  auditor: Pick<Auditor, "knows">,
  signal: AbortSignal,
): Promise<Map<string, string>> {
  const givenUp = new Map<string, DeadLetter>();
  for await (const { letters } of eachDeadLetter(log, { signal }))
    for (const { letter } of letters) {
      const { orderId } = letter;
      if (!orderId || !auditor.knows(orderId) || !fits(letter, {})) continue;
      if (tellsMore(letter, givenUp.get(orderId))) givenUp.set(orderId, letter);
    }
  return new Map([...givenUp].map(([orderId, letter]) => [orderId, whyOf(letter)]));
}

/** Whether `one` explains better than `other` why an order does not go on. */
function tellsMore(one: DeadLetter, other: DeadLetter | undefined): boolean {
  if (!other) return true;
  const [isFalse, wasFalse] = [one, other].map(({ reason }) => reason === "bad_message");
  return isFalse === wasFalse ? one.sequence < other.sequence : wasFalse === true;
}

const whyOf = ({ consumer, reason, sequence }: DeadLetter): string =>
  `${consumer} gave up on it, ${reason} (dead letter ${sequence})`;
