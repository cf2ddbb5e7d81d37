import { ChangeSignal } from "../core/change-signal.ts";
import { OrderctlError } from "../core/errors.ts";
import { paymentReader } from "../flow/order-log.ts";
import { processWith } from "../flow/process-event.ts";
import type { Connection } from "../jetstream/client/connection.ts";
import type { Delivery } from "../jetstream/consume/delivery.ts";
import type { Processor } from "../jetstream/consume/worker-options.ts";
import type { Publication, Stored } from "../jetstream/publish/publication.ts";
import { Publisher } from "../jetstream/publish/publisher.ts";
import { readLast } from "../jetstream/streams/read-message.ts";
import type { StreamMessage } from "../jetstream/streams/stream-message.ts";
import type { EventKind } from "../orders/events.ts";
import type { Decision } from "../orders/gateway/decide-charge.ts";
import { createSimulatedGateway } from "../orders/gateway/simulated-gateway.ts";
import { type Parts, stationsOf } from "../orders/services/registry.ts";
import { ordersStream, parseSubject } from "../orders/subjects.ts";
import { compareOutcome, failedOutcome, type ReplayOutcome } from "./outcome.ts";
import type { ReplayTarget, ServiceResult, Settle } from "./target.ts";

/** Inventory is not among them: what was on the shelf then is not in the log. */
export const replayableServices = ["payment", "shipping", "notification"] as const;

export type ReplayableService = (typeof replayableServices)[number];

export type ServiceReplayOptions = {
  service: ReplayableService;
  /** What the simulated gateway decides. */
  decision: Decision;
  carrier: string;
  channel: string;
  /** Events under way at once. */
  window: number;
  /** Store what is missing. For handlers that do nothing but decide: whatever else they did would be done again. */
  store: boolean;
  /** Writes itself into what it stores. */
  instance: string;
  /** Told of each event. */
  onOutcome?: ((outcome: ReplayOutcome) => void) | undefined;
};

const shownAtMost = 20;

/** The kinds of events that a service consumes. */
export const consumedKinds = (service: ReplayableService): ReadonlySet<EventKind> =>
  new Set(stationsOf(service).map(({ consumes }) => consumes));

/**
 * Gives events to a service's handler once more and compares what it comes to with what the log holds. Calls no gateway but
 * one simulated in this process, and stores nothing unless it is asked to; then the broker refuses a second event.
 */
export function createServiceTarget(connection: Connection, options: ServiceReplayOptions): ReplayTarget {
  const publisher = new Publisher(connection, { window: options.window });
  const processors = processorsOf(connection, options);
  const settled = new ChangeSignal();
  const abort = new AbortController();
  const result = emptyResult(options);
  let underWay = 0;

  async function work(message: StreamMessage): Promise<void> {
    const { outcome, publication } = await handle(connection, { processors, message, signal: abort.signal });
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

/** Rejects only where the log cannot be read: what the handler throws is an outcome. */
async function handle(
  connection: Connection,
  {
    processors,
    message,
    signal,
  }: { processors: Map<EventKind, Processor>; message: StreamMessage; signal: AbortSignal },
): Promise<Handled> {
  const kind = parseSubject(message.subject)?.kind;
  const process = kind && processors.get(kind);
  let publication: Publication | undefined;
  try {
    publication = await process?.(deliveryOf(message), signal);
  } catch (thrown) {
    return { outcome: failedOutcome(message, OrderctlError.from(thrown)), publication };
  }
  const stored = publication && (await readLast(connection, ordersStream, publication.subject));
  return { outcome: compareOutcome(message, publication, stored), publication };
}

/** As a worker would be given it, for the first time. */
const deliveryOf = ({ subject, payload, sequence, storedAtUs, header }: StreamMessage): Delivery => ({
  watch: undefined,
  subject,
  payload,
  sequence,
  attempt: 1,
  storedAtUs,
  header,
});

function processorsOf(
  connection: Connection,
  { service, decision, carrier, channel, instance }: ServiceReplayOptions,
) {
  const parts: Parts = {
    gateway: createSimulatedGateway({ ...decision, latencyMs: 0 }),
    carrier,
    channel,
    readPayment: paymentReader(connection),
    get shelf(): never {
      throw new OrderctlError("internal", "a replay has no stock");
    },
  };
  const origin = { service, instance };
  return new Map(
    stationsOf(service).map(({ consumes, handler }) => [consumes, processWith(handler(parts), origin)]),
  );
}

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
