import { ChangeSignal } from "../core/change-signal.ts";
import { OrderctlError } from "../core/errors.ts";
import type { Flow, FlowLog, FlowShape } from "../flow/flow.ts";
import type { Handler } from "../flow/handler.ts";
import { processWith } from "../flow/process-event.ts";
import type { Delivery } from "../jetstream/consume/delivery.ts";
import type { Processor } from "../jetstream/consume/worker-options.ts";
import type { Publication, Stored } from "../jetstream/publish/publication.ts";
import { Publisher } from "../jetstream/publish/publisher.ts";
import { readLast } from "../jetstream/streams/read-message.ts";
import type { StreamMessage } from "../jetstream/streams/stream-message.ts";
import { compareOutcome, failedOutcome, type ReplayOutcome } from "./outcome.ts";
import type { ReplayTarget, ServiceResult, Settle } from "./target.ts";

export type ServiceReplayOptions = {
  service: string;
  /** By consumer; they call nobody outside this process. */
  handlers: Readonly<Record<string, Handler>>;
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
export const consumedKinds = (flow: FlowShape, service: string): ReadonlySet<string> =>
  new Set(flow.subscriptionsOf(service).map(({ on }) => on));

/**
 * Gives events to a service's handler once more and compares what it comes to with what the log holds. Stores nothing unless it is asked to; then the broker refuses a second event.
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

/** Rejects only where the log cannot be read: what the handler throws is an outcome. */
async function handle(
  { connection, flow }: FlowLog,
  {
    processors,
    message,
    signal,
  }: { processors: Map<string, Processor>; message: StreamMessage; signal: AbortSignal },
): Promise<Handled> {
  const kind = flow.parseSubject(message.subject)?.kind;
  const process = kind === undefined ? undefined : processors.get(kind);
  let publication: Publication | undefined;
  try {
    publication = await process?.(deliveryOf(message), signal);
  } catch (thrown) {
    return { outcome: failedOutcome(flow, message, OrderctlError.from(thrown)), publication };
  }
  const stored = publication && (await readLast(connection, flow.stream, publication.subject));
  return { outcome: compareOutcome(flow, message, { publication, stored }), publication };
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

const processorsOf = (
  flow: Flow,
  { service, handlers, instance }: ServiceReplayOptions,
): Map<string, Processor> =>
  new Map(
    flow.subscriptionsOf(service).flatMap(({ consumer, on }) => {
      const handler = handlers[consumer];
      return handler ? [[on, processWith(flow, handler, { service, instance })] as const] : [];
    }),
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
