import { isDeepStrictEqual } from "node:util";
import { ChangeSignal } from "../core/change-signal.ts";
import { OrderctlError } from "../core/errors.ts";
import type { Flow, FlowEvent, FlowLog, FlowShape } from "../flow/flow.ts";
import { type Handler, handlerOf } from "../flow/handler.ts";
import type { Addressed } from "../flow/layout.ts";
import { readEvent } from "../flow/log-message.ts";
import { type EventProcessor, processWith } from "../flow/process-event.ts";
import type { Delivery } from "../jetstream/consume/delivery.ts";
import type { Publication, Stored } from "../jetstream/publish/publication.ts";
import { Publisher } from "../jetstream/publish/publisher.ts";
import type { StoredMessage } from "../jetstream/streams/read-message.ts";
import type { StreamMessage } from "../jetstream/streams/stream-message.ts";
import type { ReplayTarget, ServiceResult, Settle } from "./target.ts";

export type ServiceReplayOptions = {
  service: string;
  /** Handlers by consumer name; they must call nothing outside this process. */
  handlers: Readonly<Record<string, Handler>>;
  /** The maximum of events in progress at once. */
  window: number;
  /** Store missing outcomes. Only for handlers without side effects: these would happen again. */
  store: boolean;
  /** The instance name written into stored events. */
  instance: string;
  /** Called for each event. */
  onOutcome?: ((outcome: ReplayOutcome) => void) | undefined;
};

const shownAtMost = 20;

/** The kinds of events that a service consumes. */
export const consumedKinds = (flow: FlowShape, service: string): ReadonlySet<string> =>
  new Set(flow.subscriptionsOf(service).map(({ on }) => on));

/**
 * Gives events to a service's handler once more and compares its outcome with what the log holds. Stores nothing unless
 * `store` is set; then the broker refuses a second event of a kind.
 */
export function createServiceTarget(log: FlowLog, options: ServiceReplayOptions): ReplayTarget {
  const publisher = new Publisher(log.connection, { window: options.window });
  const processors = processorsOf(log.flow, options);
  const settled = new ChangeSignal();
  const abort = new AbortController();
  const result = emptyResult(options);
  let underWay = 0;

  async function work(message: StreamMessage): Promise<void> {
    const { outcome, publication } = await handle(log, { processors, message, signal: abort.signal });
    countOutcome(result, outcome);
    options.onOutcome?.(outcome);
    if (options.store && outcome.verdict === "missing" && publication) {
      countStored(result, await publisher.publish(publication));
    }
  }

  async function run(message: StreamMessage, settle: Settle): Promise<void> {
    try {
      await work(message);
      settle();
    } catch (thrown) {
      settle(OrderctlError.from(thrown));
    }
    underWay -= 1;
    settled.changed();
  }

  return {
    take(message, settle) {
      underWay += 1;
      void run(message, settle);
      return underWay < options.window ? undefined : settled.until(() => underWay < options.window);
    },
    drain: () => settled.until(() => underWay === 0),
    async close() {
      abort.abort();
      publisher.close();
    },
    result: () => result,
  };
}

function countOutcome(result: ServiceResult, outcome: ReplayOutcome): void {
  const { verdict } = outcome;
  result[verdict] += 1;
  const isDifference = verdict === "different" || verdict === "failed";
  if (isDifference && result.differences.length < shownAtMost) result.differences.push(outcome);
}

function countStored(result: ServiceResult, { duplicate }: Stored): void {
  if (duplicate) result.alreadyThere = (result.alreadyThere ?? 0) + 1;
  else result.stored = (result.stored ?? 0) + 1;
}

type Handled = { outcome: ReplayOutcome; publication: Publication | undefined };

/** Rejects only when the log cannot be read: an error of the handler becomes a `failed` outcome. */
async function handle(
  log: FlowLog,
  {
    processors,
    message,
    signal,
  }: { processors: Map<string, EventProcessor>; message: StreamMessage; signal: AbortSignal },
): Promise<Handled> {
  const { flow } = log;
  const kind = flow.placeOf(message)?.kind;
  const process = kind === undefined ? undefined : processors.get(kind);
  let publication: Publication | undefined;
  try {
    publication = await process?.(deliveryOf(message), signal);
  } catch (thrown) {
    return { outcome: failedOutcome(flow, message, OrderctlError.from(thrown)), publication };
  }
  const place = publication && flow.placeOf(addressedAs(publication));
  const stored = place && (await readEvent(log, place.kind, place.key));
  return { outcome: compareOutcome(flow, message, { publication, stored }), publication };
}

const addressedAs = ({ subject, payload, headers = {} }: Publication): Addressed => ({
  subject,
  payload,
  header: (name) => headers[name],
});

/** The message as a worker would receive it on the first delivery. */
const deliveryOf = ({ subject, payload, sequence, storedAtUs, header }: StreamMessage): Delivery => ({
  watch: undefined,
  subject,
  payload,
  sequence,
  attempt: 1,
  storedAtUs,
  header,
});

/** By kind: a service takes each in one consumer. */
const processorsOf = (
  flow: Flow,
  { service, handlers, instance }: ServiceReplayOptions,
): Map<string, EventProcessor> =>
  new Map(
    flow
      .subscriptionsOf(service)
      .map(({ consumer, on }) => [
        on,
        processWith(flow, handlerOf(handlers, consumer), { service, instance }),
      ]),
  );

const emptyResult = ({ service, store }: ServiceReplayOptions): ServiceResult => ({
  target: "service",
  service,
  same: 0,
  different: 0,
  missing: 0,
  nothing: 0,
  failed: 0,
  stored: store ? 0 : null,
  alreadyThere: store ? 0 : null,
  differences: [],
});

/**
 * Compares the handler's outcome now with the log: `same`, `different`, or `missing` in the log; `nothing` when the
 * handler has no outcome; `failed` when it threw.
 */
export type Verdict = "same" | "different" | "missing" | "nothing" | "failed";

export type ReplayOutcome = {
  verdict: Verdict;
  orderId: string | null;
  /** The subject of the event that was handled again. */
  subject: string;
  sequence: number;
  /** The outcome now and the stored one: `payments APPROVED`; `null` for none. */
  would: string | null;
  stored: string | null;
  storedSequence: number | null;
  /** The fields that differ, values as JSON. */
  changes: { field: string; would: string; stored: string }[];
  /** Why the handler failed, or why the stored event cannot be compared. */
  reason: string | null;
};

/** Compares `publication`, the handler's outcome for `message` (undefined for none), with the stored event. */
export function compareOutcome(
  flow: Flow,
  message: StreamMessage,
  { publication, stored }: { publication: Publication | undefined; stored: StoredMessage | undefined },
): ReplayOutcome {
  const outcome = emptyOutcome(flow, message);
  if (!publication) return outcome;
  const would = flow.decode(publication.subject, publication.payload, addressedAs(publication));
  outcome.would = nameOf(flow, would);
  if (!stored) return { ...outcome, verdict: "missing" };
  outcome.storedSequence = stored.sequence;
  try {
    const held = flow.decode(stored.subject, stored.payload, stored);
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

const emptyOutcome = (flow: FlowShape, message: StreamMessage): ReplayOutcome => ({
  verdict: "nothing",
  orderId: flow.placeOf(message)?.key ?? null,
  subject: message.subject,
  sequence: message.sequence,
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
