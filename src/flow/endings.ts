import type { StoredMessage } from "../jetstream/streams/read-message.ts";
import type { Flow, FlowShape } from "./flow.ts";

/** The subjects on which events that end a key can be: of the one kind that can, else of all. */
export function endingsFilter({ endings, stream, subjectOf }: FlowShape): string {
  const [kind, ...others] = endings;
  return kind !== undefined && others.length === 0 ? subjectOf(kind, "*") : `${stream}.>`;
}

/**
 * With which outcome a message of the log ends its key; undefined for one that does not. Throws `bad_message` for one of
 * a kind that can, and that is no event.
 */
export function endingIn(
  flow: Flow,
  { subject, payload }: Pick<StoredMessage, "subject" | "payload">,
): string | undefined {
  const place = flow.parseSubject(subject);
  if (!place || !flow.endings.includes(place.kind)) return undefined;
  const { outcome } = flow.describe(flow.decode(subject, payload));
  return flow.endsWith(place.kind, outcome) ? outcome : undefined;
}

/** Whether an event of a kind ends its key; with which statuses, where it has some. */
export function endsOf(flow: FlowShape, kind: string): boolean | readonly string[] {
  const statuses = flow.statusesOf(kind);
  return statuses.length === 0
    ? flow.endsWith(kind, undefined)
    : statuses.filter((status) => flow.endsWith(kind, status));
}
