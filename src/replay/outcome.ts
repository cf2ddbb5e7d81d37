import { isDeepStrictEqual } from "node:util";
import { OrderctlError } from "../core/errors.ts";
import type { Flow, FlowEvent, FlowShape } from "../flow/flow.ts";
import type { Publication } from "../jetstream/publish/publication.ts";
import type { StoredMessage } from "../jetstream/streams/read-message.ts";
import type { StreamMessage } from "../jetstream/streams/stream-message.ts";

/**
 * What a handler makes of an event now, beside what the log holds: the same, something else, nothing yet; or the handler
 * stores nothing, or failed.
 */
export type Verdict = "same" | "different" | "missing" | "nothing" | "failed";

export type ReplayOutcome = {
  verdict: Verdict;
  orderId: string | null;
  /** The event that was handled once more. */
  subject: string;
  sequence: number;
  /** What would be stored and what is: `payments APPROVED`; `null` for nothing. */
  would: string | null;
  stored: string | null;
  storedSequence: number | null;
  /** Fields that are not the same, as JSON. */
  changes: { field: string; would: string; stored: string }[];
  /** Why it failed, or why what is stored cannot be compared. */
  reason: string | null;
};

/** The outcome for a message whose handler came to `publication`, which is undefined where it stores nothing. */
export function compareOutcome(
  flow: Flow,
  message: StreamMessage,
  { publication, stored }: { publication: Publication | undefined; stored: StoredMessage | undefined },
): ReplayOutcome {
  const outcome = emptyOutcome(flow, message);
  if (!publication) return outcome;
  const would = flow.decode(publication.subject, publication.payload);
  outcome.would = nameOf(flow, would);
  if (!stored) return { ...outcome, verdict: "missing" };
  outcome.storedSequence = stored.sequence;
  try {
    const held = flow.decode(stored.subject, stored.payload);
    const changes = changesBetween(would, held);
    const verdict = changes.length === 0 ? "same" : "different";
    return { ...outcome, verdict, stored: nameOf(flow, held), changes };
  } catch (thrown) {
    return { ...outcome, verdict: "different", reason: OrderctlError.from(thrown).message };
  }
}

export const failedOutcome = (
  flow: FlowShape,
  message: StreamMessage,
  error: OrderctlError,
): ReplayOutcome => ({
  ...emptyOutcome(flow, message),
  verdict: "failed",
  reason: error.message,
});

const emptyOutcome = (flow: FlowShape, { subject, sequence }: StreamMessage): ReplayOutcome => ({
  verdict: "nothing",
  orderId: flow.parseSubject(subject)?.key ?? null,
  subject,
  sequence,
  would: null,
  stored: null,
  storedSequence: null,
  changes: [],
  reason: null,
});

const nameOf = (flow: Flow, event: FlowEvent): string => `${event.kind} ${flow.describe(event).outcome}`;

function changesBetween(would: FlowEvent, held: FlowEvent): ReplayOutcome["changes"] {
  const other = new Map<string, unknown>(Object.entries(held));
  return Object.entries(would)
    .filter(([field, value]) => !isDeepStrictEqual(value, other.get(field)))
    .map(([field, value]) => ({
      field,
      would: JSON.stringify(value),
      stored: JSON.stringify(other.get(field)),
    }));
}
