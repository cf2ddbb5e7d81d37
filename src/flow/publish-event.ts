import { randomUUID } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { OrderctlError } from "../core/errors.ts";
import type { Publication, Stored } from "../jetstream/publish/publication.ts";
import type { Publisher } from "../jetstream/publish/publisher.ts";
import { nowUs } from "../telemetry/clock.ts";
import { encodeHop, hopHeader } from "../telemetry/hop.ts";
import { noTelemetry, type Telemetry } from "../telemetry/telemetry.ts";
import type { TraceHeaders, Tracing } from "../telemetry/tracing/tracing.ts";
import type { ArchivedFirst, ArchivedKeys } from "./archived-log.ts";
import { type Flow, type FlowEvent, findFault } from "./flow.ts";
import { takenBy } from "./key-log.ts";
import type { Origin } from "./process-event.ts";

/**
 * `parent` is the trace that the event becomes part of; `giveUpMs` is how long the publisher retries through an outage.
 */
export type PublishHow = { parent?: TraceHeaders | undefined; giveUpMs?: number | undefined };

/** Resolves once the event is stored, or when another already holds its subject; rejects as the publisher does. */
export type PublishEvent<E> = (event: E, how?: PublishHow) => Promise<Stored>;

/** `telemetry.tracing` may be set later, so each event reads it anew. */
type Reporting = { publisher: Publisher; telemetry?: Pick<Telemetry, "tracing" | "metrics"> | undefined };

/** Publishes the first events of keys, each as part of the trace in `parent` or as the root of its own. */
export function createFirstPublisher<E extends FlowEvent>(
  flow: Flow<E>,
  { publisher, telemetry = noTelemetry }: Reporting,
  origin: Origin,
): PublishEvent<E> {
  const { metrics } = telemetry;
  const { service } = origin;
  const template = flow.templateOf(flow.firstKind);
  const counted = metrics?.destination({ service, template });
  const report = async (message: Publication, tracing: Tracing | undefined, traced: Reported) => {
    const sentAt = performance.now();
    const { subject, payload } = message;
    const described = { subject, template, service, orderId: traced.key, bodyBytes: payload.length };
    const span = tracing?.publish(described, traced.parent);
    try {
      const headers = { ...message.headers, ...span?.headers };
      const stored = await publisher.publish({ ...message, headers });
      span?.stored(stored);
      counted?.stored(performance.now() - sentAt, stored.duplicate);
      return stored;
    } catch (thrown) {
      const error = OrderctlError.from(thrown);
      span?.failed(error);
      counted?.failed(performance.now() - sentAt, error.code);
      throw error;
    }
  };
  return (event, { parent, giveUpMs } = {}) => {
    const message = firstMessage(flow, event, { ...origin, parent });
    if (giveUpMs !== undefined) message.giveUpMs = giveUpMs;
    const { tracing } = telemetry;
    if (!tracing && !counted) return publisher.publish(message);
    return report(message, tracing, { key: flow.keyOf(event), parent });
  };
}

/** Who asks for the keys of an archive: `giveUpMs` is the publisher's own by default. */
export type Asking = {
  publisher: Publisher;
  giveUpMs?: number | undefined;
  signal?: AbortSignal | undefined;
};

/**
 * What a publisher is told of a key that has begun in the archive: the same as the stream tells of one that it holds.
 * Undefined, at once, for nearly every other key. Rejects with `unavailable` when the archive cannot tell, and otherwise
 * as `whenRead` does.
 */
export function findArchived(
  keys: ArchivedKeys | undefined,
  key: string,
  asking: Asking,
): Promise<Stored | undefined> | undefined {
  const waiting = whenRead(keys, asking);
  if (waiting) return waiting.then(() => findArchived(keys, key, asking));
  return keys?.findFirst(key)?.then(
    (first) => first && storedAs(first),
    (thrown) => {
      const { code, message, hint, source } = OrderctlError.from(thrown);
      throw new OrderctlError(code, `cannot tell whether ${key} is archived: ${message}`, { hint, source });
    },
  );
}

const pollMs = 50;
/** How long the first read of the keys may take, beside an outage of the broker. */
const patienceMs = 2000;

/**
 * Undefined when the archive's keys were read, be they old by now: a service checks again what is stored. Else resolves
 * when they are read; while the broker is away that is waited for, as the publisher itself waits for it. Rejects with
 * `unavailable` when they are not read 2 s after such an outage or after `giveUpMs`, and with `interrupted` when the
 * signal aborts.
 */
export const whenRead = (keys: ArchivedKeys | undefined, asking: Asking): Promise<void> | undefined =>
  keys?.isRead() === false ? untilRead(keys, asking) : undefined;

async function untilRead(
  keys: ArchivedKeys,
  { publisher, giveUpMs = publisher.giveUpMs, signal }: Asking,
): Promise<void> {
  const startedAt = performance.now();
  let awayAt = startedAt;
  while (!keys.isRead()) {
    const now = performance.now();
    if (publisher.isHolding) awayAt = now;
    if (signal?.aborted) throw new OrderctlError("interrupted", "interrupted before the last one");
    if (now - awayAt > patienceMs || now - startedAt > giveUpMs) throw unread(keys, publisher);
    await wait(pollMs);
  }
}

function unread(keys: ArchivedKeys, { isHolding }: Publisher): OrderctlError {
  const why = isHolding ? "the broker is away" : (keys.problems()[0]?.text ?? "its keys are not read yet");
  return new OrderctlError("unavailable", `cannot tell what is archived: ${why}`, {
    source: isHolding ? "broker" : "store",
  });
}

const storedAs = ({ sequence, payload }: ArchivedFirst): Stored => ({
  sequence,
  duplicate: true,
  ...(payload && { existing: payload }),
});

/**
 * The event that already held the subject of `event`; undefined when none did. Throws `conflict` when the message there
 * is not a valid event.
 */
export function readEarlier<E extends FlowEvent>(
  flow: Flow<E>,
  event: E,
  { existing, sequence }: Stored,
): E | undefined {
  if (existing === undefined) return undefined;
  const subject = flow.subjectOf(event.kind, flow.keyOf(event));
  const fault = findFault(flow, { subject, payload: existing, header: () => undefined });
  if (fault !== undefined)
    throw takenBy({ sequence, subject, fault, repeatOf: null, isArchived: false }, "conflict");
  return flow.decode(subject, existing);
}

/** The id keeps an existing stream from taking the event twice when it is sent again. */
const headersOf = <E extends FlowEvent>(flow: Flow<E>, event: E): Readonly<Record<string, string>> =>
  flow.isManaged ? {} : { ...flow.headersOf(event.kind, flow.keyOf(event)), "Nats-Msg-Id": randomUUID() };

type Reported = { key: string; parent: TraceHeaders | undefined };

/** The message that stores the first event of a key. */
export function firstMessage<E extends FlowEvent>(
  flow: Flow<E>,
  event: E,
  { service, instance, parent = {} }: Origin & { parent?: TraceHeaders | undefined },
): Publication {
  if (event.kind !== flow.firstKind)
    throw new OrderctlError("internal", `${event.kind} is no event that a key begins with`);
  const now = nowUs();
  const times = { receivedAtUs: now, startedAtUs: now, finishedAtUs: now };
  const hop = encodeHop({ causeSequence: null, service, instance, attempt: 1, ...times });
  return {
    subject: flow.subjectOf(event.kind, flow.keyOf(event)),
    payload: flow.encode(event),
    headers: { ...parent, ...headersOf(flow, event), [hopHeader]: hop },
  };
}
