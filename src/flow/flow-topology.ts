import { durationNs, type Topology } from "../jetstream/streams/apply-topology.ts";
import type { FlowShape } from "./flow.ts";
import { type LogConsumer, logConsumers } from "./log-consumers.ts";

export const ackWaitMs = 30_000;

export const deadLettersStream = "DEAD_LETTERS";
/** Dead letters that are given to their consumers once more, each with a record of who requested it. */
export const redrivesStream = "REDRIVES";
/** The name of a consumer's counterpart on the redrives stream. */
export const redriverOf = (consumer: string): string => `redrive-${consumer}`;
/** Events whose processing may have crashed the worker's process. */
export const suspectsBucket = "SUSPECTS";

/** What of their definitions flows of one's own keep on the broker, by the flows' names. */
export const flowsBucket = "FLOWS";

/** The manifest of what of a flow's log is archived. */
export const archiveBucket = (stream: string): string => `${stream}_ARCHIVE`;

const suspectsAgeMs = 24 * 3600 * 1000;

const forgetting = "messages are removed before anybody has decided so";
const volatile = "nothing outlives a restart of the broker";
const closed = "nothing can be stored, or nobody is told that it is";

/**
 * Settings that every stream needs. Limits such as `max_age` are the operator's choice: a difference there is only
 * reported.
 */
const kept = {
  retention: forgetting,
  storage: volatile,
  sealed: closed,
  no_ack: closed,
  subject_transform: closed,
};

/**
 * Settings of a stream that refuses a second message per subject; `uniqueness` tells what goes wrong when it accepts
 * one.
 */
const unique = (uniqueness: string) => ({
  ...kept,
  max_msg_size: "what is larger waits, and is not stored",
  max_msgs_per_subject: uniqueness,
  discard: "what is oldest is dropped where a full stream should refuse what is new",
  discard_new_per_subject: uniqueness,
});

/**
 * Settings, by stream, without which a service refuses to start, each with its consequence; any other difference is
 * only reported.
 */
const promisesOf = ({ stream, isManaged, partitions, secondEvent, buckets }: FlowShape) => ({
  ...(isManaged && {
    [stream]: {
      ...unique(secondEvent),
      ...(partitions !== undefined && {
        subjects: "with another number of partitions a key has another subject, and begins again",
      }),
    },
  }),
  [redrivesStream]: unique(secondEvent),
  [deadLettersStream]: kept,
  ...Object.fromEntries(buckets.map(({ name, promises }) => [`KV_${name}`, { ...kept, ...promises }])),
  [`KV_${suspectsBucket}`]: kept,
  ...(isManaged && {
    [`KV_${archiveBucket(stream)}`]: { ...kept, max_age: "what is archived is found no more" },
  }),
});

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

type TopologyOptions = {
  replicas?: number;
  /** Size limit of the log; every other stream gets a tenth. Without limit by default. */
  maxBytes?: number | undefined;
};

/** `discard: "new"`: a full stream refuses new messages instead of dropping old ones. */
const limit = (bytes: number | undefined) =>
  bytes === undefined ? {} : { max_bytes: Math.ceil(bytes), discard: "new" };

/** Every stream, bucket and durable consumer of a flow. The only place that defines their settings. */
export function flowTopology(flow: FlowShape, { replicas = 1, maxBytes }: TopologyOptions = {}): Topology {
  const { stream, buckets, subscriptions } = flow;
  const limitOfOthers = limit(maxBytes === undefined ? undefined : maxBytes / 10);
  return {
    promises: promisesOf(flow),
    streams: [
      ...(flow.isManaged ? [{ ...log(flow, replicas), ...limit(maxBytes) }] : []),
      ...buckets.map(({ name }) => ({ ...bucket(name, replicas), ...limitOfOthers })),
      {
        name: deadLettersStream,
        subjects: [`${deadLettersStream}.*.*`],
        storage: "file",
        retention: "limits",
        num_replicas: replicas,
        allow_direct: true,
        ...limitOfOthers,
      },
      {
        name: redrivesStream,
        subjects: [`${redrivesStream}.*.*.*`],
        storage: "file",
        retention: "limits",
        num_replicas: replicas,
        allow_direct: true,
        // The subject identifies the redrive, as it does an event, so nobody can store the same redrive twice.
        max_msgs_per_subject: 1,
        discard: "new",
        discard_new_per_subject: true,
        ...limitOfOthers,
      },
      { ...bucket(suspectsBucket, replicas), ...limitOfOthers, max_age: durationNs(suspectsAgeMs) },
      ...(flow.isManaged ? [{ ...bucket(archiveBucket(stream), replicas), ...limitOfOthers }] : []),
    ],
    consumers: [
      ...logConsumers(flow).map((each) => onLog(stream, each)),
      ...subscriptions.map(({ consumer }) =>
        durable(redrivesStream, redriverOf(consumer), [`${redrivesStream}.${consumer}.*.*`]),
      ),
    ],
  };
}

const log = ({ stream, partitions }: FlowShape, replicas: number) => ({
  name: stream,
  subjects:
    partitions === undefined ? [`${stream}.>`] : numbers(partitions).map((each) => `${stream}.*.${each}.*`),
  storage: "file",
  retention: "limits",
  num_replicas: replicas,
  allow_direct: true,
  // One event of each kind per key: the stream refuses a second one, whoever sends it and however late.
  max_msgs_per_subject: 1,
  discard: "new",
  discard_new_per_subject: true,
});

/** The layout of ADR-8, which `Bucket` reads. */
const bucket = (name: string, replicas: number) => ({
  name: `KV_${name}`,
  subjects: [`$KV.${name}.>`],
  storage: "file",
  num_replicas: replicas,
  allow_direct: true,
  allow_rollup_hdrs: true,
  deny_delete: true,
  max_msgs_per_subject: 1,
  discard: "new",
});

/** Without `max_deliver`: the broker would drop a message silently, where a worker makes a dead letter of it. */
const durable = (stream: string, consumer: string, filters: readonly string[]) => ({
  stream,
  durable_name: consumer,
  ack_policy: "explicit",
  ack_wait: durationNs(ackWaitMs),
  // Several are known to nats-server from 2.10 on.
  ...(filters.length === 1 ? { filter_subject: filters[0] } : { filter_subjects: filters }),
  max_ack_pending: 20_000,
});

function onLog(stream: string, { consumer, filters, subscriptions, inOrder }: LogConsumer) {
  const [{ startAt, settings }] = subscriptions;
  return {
    ...durable(stream, consumer, filters),
    ...(startAt && { deliver_policy: startAt }),
    ...settings,
    // The broker hands out the next event when this one is settled, whichever process asks.
    ...(inOrder && { max_ack_pending: 1 }),
  };
}
