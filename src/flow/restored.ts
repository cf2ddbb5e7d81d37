import type { Delivery } from "../jetstream/consume/delivery.ts";
import type { Processor } from "../jetstream/consume/worker-options.ts";
import { readLast } from "../jetstream/streams/read-message.ts";
import type { FlowLog, Subscription } from "./flow.ts";

/** Marks an event that was brought back from the archive into its own log; its value is the sequence that it had. */
export const restoredHeader = "Orderctl-Restored";

/**
 * Processes deliveries, but for restored ones whose outcome is in the log behind them: those were worked on before, and
 * doing so again would call the gateway and take stock once more.
 */
export const unlessRestored =
  (log: FlowLog, { emits }: Subscription, process: Processor): Processor =>
  (delivery, signal) =>
    delivery.header(restoredHeader) === undefined
      ? process(delivery, signal)
      : // What leads to no event has nothing to show for its work, and was worked on before it was archived.
        hasOutcome(log, emits, delivery).then((has) =>
          has || emits.length === 0 ? undefined : process(delivery, signal),
        );

async function hasOutcome(
  { connection, flow }: FlowLog,
  emits: readonly string[],
  { subject, sequence }: Delivery,
): Promise<boolean> {
  const place = flow.parseSubject(subject);
  if (!place) return false;
  const subjects = emits.map((kind) => flow.subjectOf(kind, place.key));
  const outcomes = await Promise.all(subjects.map((each) => readLast(connection, flow.stream, each)));
  return outcomes.some((outcome) => outcome !== undefined && outcome.sequence > sequence);
}
