import { covers } from "../jetstream/streams/replay-streams.ts";
import type { FlowShape, Subscription } from "./flow.ts";

/** A durable consumer on the log, and the subscriptions that it is for. */
export type LogConsumer = {
  consumer: string;
  service: string;
  /** The subjects that it takes. */
  filters: readonly string[];
  subscriptions: readonly [Subscription, ...Subscription[]];
  /** Whether it hands out one event at a time, the next one only after that is settled. */
  inOrder: boolean;
};

/**
 * The consumers of a service: one for each subscription. Where the service works on one event of a key at a time, one for
 * each partition of the keys instead, which takes all kinds that the service works on, in the order of the log.
 */
export function consumersOf(flow: FlowShape, service: string): LogConsumer[] {
  const subscriptions = flow.subscriptionsOf(service);
  const [first, ...others] = subscriptions;
  if (!first) return [];
  if (!first.inOrder)
    return subscriptions.map((each) => ({
      consumer: each.consumer,
      service,
      filters: [flow.filterOf(each.on)],
      subscriptions: [each],
      inOrder: false,
    }));
  const kinds = [...new Set(subscriptions.map(({ on }) => on))];
  return Array.from({ length: flow.partitions ?? 1 }, (_, partition) => ({
    consumer: `${service}_${partition}`,
    service,
    filters: separate(kinds.map((kind) => flow.filterOf(kind, partition))),
    subscriptions: [first, ...others],
    inOrder: true,
  }));
}

/** Without those that others cover: the broker takes no filters that overlap. */
const separate = (filters: readonly string[]): string[] =>
  [...new Set(filters)].filter((each, _, all) => !all.some((other) => other !== each && covers(other, each)));

/** The consumers of all services of a flow. */
export const logConsumers = (flow: FlowShape): LogConsumer[] =>
  flow.services.flatMap((service) => consumersOf(flow, service));
