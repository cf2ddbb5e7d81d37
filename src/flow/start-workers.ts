import type { Delivery } from "../jetstream/consume/delivery.ts";
import { Worker } from "../jetstream/consume/worker.ts";
import type { Processor, WorkerOptions } from "../jetstream/consume/worker-options.ts";
import { covers } from "../jetstream/streams/replay-streams.ts";
import { noTelemetry } from "../telemetry/telemetry.ts";
import type { ArchiveProgress } from "./archived-log.ts";
import { deadLetterRule, processRedriven } from "./dead-letters-rule.ts";
import { createReports } from "./delivery-report.ts";
import { outcomeFence } from "./fence.ts";
import type { Flow, Subscription } from "./flow.ts";
import { ackWaitMs, redriverOf, redrivesStream } from "./flow-topology.ts";
import { handlerOf } from "./handler.ts";
import { consumersOf, type LogConsumer } from "./log-consumers.ts";
import { processWith } from "./process-event.ts";
import { unlessRestored } from "./restored.ts";
import { routeOf } from "./route.ts";
import type { ServiceOptions, Working } from "./run-services.ts";

export const defaultMaxAttempts = 8;
export const defaultConcurrency = 256;
/** Redriven dead letters are few, so a low limit is enough. */
const redriveConcurrency = 16;

type Starting = Working & { log: string; progress: ArchiveProgress | undefined };

/**
 * The workers of some services on the log, how long the handlers of each have worked, and the workers on the redrives of
 * their dead letters, by consumer.
 */
export type StartedWorkers = {
  workers: Map<string, Worker>;
  worked: Map<string, { us: number }>;
  redrivers: Map<string, Worker>;
};

/** Starts a worker for each consumer of the services. */
export function startWorkers(
  working: Starting,
  names: readonly string[],
  options: ServiceOptions,
): StartedWorkers {
  const started: StartedWorkers = { workers: new Map(), worked: new Map(), redrivers: new Map() };
  const make = openProcessors(working, options);
  const { metrics } = options.telemetry ?? noTelemetry;
  for (const service of names) {
    const breaker = options.parts.breakers?.[service];
    if (breaker) metrics?.observeBreaker(breaker.name, () => breaker.state());
    for (const on of consumersOf(working.flow, service)) {
      const worked = { us: 0 };
      started.worked.set(on.consumer, worked);
      const processors = new Map(on.subscriptions.map((each) => [each.consumer, make.ofLog(each, worked)]));
      const process = routed(working.flow, on, (consumer) => processors.get(consumer));
      started.workers.set(on.consumer, new Worker(working, onLog(working, on, options), process));
    }
    for (const subscription of working.flow.subscriptionsOf(service)) {
      const { consumer } = subscription;
      const place = {
        stream: redrivesStream,
        consumer: redriverOf(consumer),
        concurrency: redriveConcurrency,
      };
      const deadLetters = ruleOf(working, { service, consumer, options });
      started.redrivers.set(
        place.consumer,
        new Worker(
          working,
          { ...commonOf(working, [subscription], options), ...place, deadLetters },
          make.ofRedrives(subscription),
        ),
      );
    }
  }
  return started;
}

type Common = Pick<WorkerOptions, "ackWaitMs" | "note" | "isPaused">;

/** What the workers for some subscriptions of a service have in common. */
function commonOf(
  { flow, archivedKeys, progress }: Starting,
  subscriptions: LogConsumer["subscriptions"],
  options: ServiceOptions,
): Common {
  const breaker = options.parts.breakers?.[subscriptions[0].service];
  const takesFirst = subscriptions.some(({ on }) => on === flow.firstKind);
  const keys = takesFirst ? archivedKeys : undefined;
  const isPaused = () =>
    breaker?.state() === "open" || progress?.isKnown() === false || keys?.isCertain() === false;
  return { ackWaitMs, note: options.note, isPaused };
}

type Place = { service: string; consumer: string; options: ServiceOptions };

function ruleOf({ flow }: Working, { service, consumer, options }: Place) {
  const { instance, parts, maxAttempts = defaultMaxAttempts } = options;
  return deadLetterRule(flow, {
    service,
    instance,
    consumer,
    maxAttempts,
    patienceMs: parts.patienceMs?.[service],
  });
}

function onLog(
  working: Starting,
  { consumer, service, subscriptions, inOrder }: LogConsumer,
  options: ServiceOptions,
): WorkerOptions {
  const { flow } = working;
  const [first] = subscriptions;
  const rule = ruleOf(working, { service, consumer: first.consumer, options });
  return {
    ...commonOf(working, subscriptions, options),
    ...{ stream: flow.stream, consumer },
    concurrency: inOrder ? 1 : concurrencyOf(service, options),
    ackWaitMs: ackWaitOf(first),
    isIdle: inOrder ? undefined : otherStatus(flow, first),
    deadLetters:
      subscriptions.length === 1 ? rule : { ...rule, consumerFor: consumerIn(flow, subscriptions) },
  };
}

/** What cannot be read is any subscription's of its kind. */
const consumerIn =
  (flow: Flow, subscriptions: LogConsumer["subscriptions"]) =>
  (delivery: Delivery): string => {
    try {
      const { consumer } = routeOf(flow, subscriptions, delivery) ?? subscriptions[0];
      return consumer;
    } catch {
      const ofKind = subscriptions.find(
        ({ on }) => covers(flow.filterOf(on), delivery.subject) && flow.takes(on, delivery),
      );
      return (ofKind ?? subscriptions[0]).consumer;
    }
  };

type Processors = {
  /** `worked` is added what the handler takes, µs. */
  ofLog(subscription: Subscription, worked: { us: number }): Processor;
  /** For events that are given to the subscription once more. */
  ofRedrives(subscription: Subscription): Processor;
};

function openProcessors(working: Starting, options: ServiceOptions): Processors {
  const { flow, progress } = working;
  const { parts, instance, telemetry = noTelemetry, aheadUs } = options;
  const handlers = parts.handlers(working);
  const counters = telemetry.metrics && flow.countersOf(telemetry.metrics);
  const fence = progress && outcomeFence(working, progress);
  const workingAs = ({ service, consumer, on }: Subscription) => ({
    ...{ service, instance },
    startReport: createReports(flow, { service, consumer, on }, { telemetry, counters, aheadUs }),
    archivedKeys: on === flow.firstKind ? working.archivedKeys : undefined,
  });
  return {
    ofLog(subscription, worked) {
      const as = { ...workingAs(subscription), fence, worked };
      const handler = handlerOf(handlers, subscription.consumer);
      const process = processWith(flow, handler, as);
      // Into a stream of other programs, nothing is restored.
      return flow.isManaged ? unlessRestored(working, subscription, process) : process;
    },
    ofRedrives(subscription) {
      // Its event may be archived: hence no fence.
      const processorOf = (each: Subscription) =>
        processWith(flow, handlerOf(handlers, each.consumer), workingAs(each));
      const { service, inOrder } = subscription;
      const [own, siblings] = [processorOf(subscription), inOrder ? flow.subscriptionsOf(service) : []];
      // In order, one that could not be read was given up on for all subscriptions; by now it may be another's.
      const others = new Map(siblings.map((each) => [each.consumer, processorOf(each)]));
      return processRedriven(working, subscription, async (original, signal) => {
        const route = inOrder ? routeOf(flow, siblings, original) : undefined;
        return (others.get(route?.consumer ?? "") ?? own)(original, signal);
      });
    },
  };
}

/** Hands each delivery to the subscription that it is for; one that is for none leads to nothing. */
function routed(
  flow: Flow,
  { subscriptions }: LogConsumer,
  find: (consumer: string) => Processor | undefined,
): Processor {
  const [only, ...others] = subscriptions;
  const process = find(only.consumer);
  if (process && others.length === 0 && flow.isManaged) return process;
  return async (delivery, signal) => {
    const route = routeOf(flow, subscriptions, delivery);
    return route && find(route.consumer)?.(delivery, signal);
  };
}

const ackWaitOf = ({ settings }: Subscription): number =>
  typeof settings?.ack_wait === "number" ? settings.ack_wait / 1e6 : ackWaitMs;

const concurrencyOf = (service: string, { concurrency, parts }: ServiceOptions): number =>
  concurrency ?? parts.concurrency?.[service] ?? defaultConcurrency;

/** Undefined for a subscription that takes every status. */
const otherStatus = (
  flow: Flow,
  { on, when }: Subscription,
): ((payload: Uint8Array) => boolean) | undefined =>
  when === undefined ? undefined : (payload) => flow.hasOtherStatus(on, payload, when);
