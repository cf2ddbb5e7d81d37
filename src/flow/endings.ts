import type { StoredMessage } from "../jetstream/streams/read-message.ts";
import type { Flow, FlowShape } from "./flow.ts";

/** The subjects on which events that end a key can be: of the one kind that can; undefined for all of the stream. */
export function endingsFilter({ endings, filterOf }: FlowShape): string | undefined {
  const [kind, ...others] = endings;
  return kind !== undefined && others.length === 0 ? filterOf(kind) : undefined;
}

/**
 * With which outcome a message of the log ends its key; undefined for one that does not. Throws `bad_message` for one of
 * a kind that can, and that is no event.
 */
export function endingIn(
  flow: Flow,
  message: Pick<StoredMessage, "subject" | "payload" | "header">,
): string | undefined {
  const { subject, payload } = message;
  const place = flow.placeOf(message);
  if (!place || !flow.endings.includes(place.kind)) return undefined;
  const { outcome } = flow.describe(flow.decode(subject, payload, message));
  return flow.endsWith(place.kind, outcome) ? outcome : undefined;
}

/** Whether an event of a kind ends its key; with which statuses, where it has some. */
export function endsOf(flow: FlowShape, kind: string): boolean | readonly string[] {
  const statuses = flow.statusesOf(kind);
  return statuses.length === 0
    ? flow.endsWith(kind, undefined)
    : statuses.filter((status) => flow.endsWith(kind, status));
}
