import { covers } from "../jetstream/streams/replay-streams.ts";
import type { Flow, Subscription } from "./flow.ts";
import type { Addressed } from "./layout.ts";

/**
 * The one of a service's subscriptions that a message is for: by its kind and, where several take that kind, by its
 * status. Undefined for a message that is none of theirs. Throws `bad_message` where the status has to be read and cannot
 * be.
 */
export function routeOf(
  flow: Flow,
  subscriptions: readonly Subscription[],
  message: Addressed,
): Subscription | undefined {
  const { subject, payload } = message;
  const fitting = subscriptions.filter(
    ({ on }) => covers(flow.filterOf(on), subject) && flow.takes(on, message),
  );
  if (fitting.length < 2) return fitting[0];
  const { outcome } = flow.describe(flow.decode(subject, payload, message));
  return fitting.find(({ when }) => when === undefined || when === outcome);
}
