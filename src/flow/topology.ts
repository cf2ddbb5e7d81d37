import { durationNs, type Topology } from "../jetstream/streams/topology.ts";
import type { FlowShape } from "./flow.ts";

export const ackWaitMs = 30_000;

export const deadLettersStream = "DEAD_LETTERS";
/** Dead letters that are given to their consumers once more, and the record of who wanted it. */
export const redrivesStream = "REDRIVES";
/** The consumer's name there. */
export const redriverOf = (consumer: string): string => `redrive-${consumer}`;
/** What may be ending its worker's process. */
export const suspectsBucket = "SUSPECTS";

const suspectsAgeMs = 24 * 3600 * 1000;

const forgetting = "messages are removed before anybody has decided so";
const volatile = "nothing outlives a restart of the broker";
const closed = "nothing can be stored, or nobody is told that it is";

/** Of every stream. How long and how much the log keeps is the operator's choice: `max_age` and the like are only told. */
const kept = {
  retention: forgetting,
  storage: volatile,
  sealed: closed,
  no_ack: closed,
  subject_transform: closed,
};

/** The stream refuses a second message per subject; `uniqueness` says what comes of it where it does not. */
const unique = (uniqueness: string) => ({
  ...kept,
  max_msg_size: "what is larger waits, and is not stored",
  max_msgs_per_subject: uniqueness,
  discard: "what is oldest is dropped where a full stream should refuse what is new",
  discard_new_per_subject: uniqueness,
});

/** What a service does not work with, as a promise would not hold; any other difference is told and left. */
const promisesOf = ({ stream, secondEvent, buckets }: FlowShape) => ({
  [stream]: unique(secondEvent),
  [redrivesStream]: unique(secondEvent),
  [deadLettersStream]: kept,
  ...Object.fromEntries(buckets.map(({ name, promises }) => [`KV_${name}`, { ...kept, ...promises }])),
  [`KV_${suspectsBucket}`]: kept,
});

type TopologyOptions = {
  replicas?: number;
  /** What the log may hold, and each of the others a tenth of; without limit by default. */
  maxBytes?: number | undefined;
};

/** A stream that is full refuses what is new, and drops nothing. */
const limit = (bytes: number | undefined) =>
  bytes === undefined ? {} : { max_bytes: Math.ceil(bytes), discard: "new" };

/** Every stream, bucket and durable consumer of a flow. The one place that knows their settings. */
export function flowTopology(flow: FlowShape, { replicas = 1, maxBytes }: TopologyOptions = {}): Topology {
  const { stream, buckets, subscriptions, subjectOf } = flow;
  const limitOfOthers = limit(maxBytes === undefined ? undefined : maxBytes / 10);
  return {
    promises: promisesOf(flow),
    streams: [
      {
        name: stream,
        subjects: [`${stream}.>`],
        storage: "file",
        retention: "limits",
        num_replicas: replicas,
        allow_direct: true,
        // One event of each kind per order: a second one is refused, whoever sends it and however late.
        max_msgs_per_subject: 1,
        discard: "new",
        discard_new_per_subject: true,
        ...limit(maxBytes),
      },
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
        // The subject is the redrive's identity, as it is the event's: nobody can do the same one twice.
        max_msgs_per_subject: 1,
        discard: "new",
        discard_new_per_subject: true,
        ...limitOfOthers,
      },
      { ...bucket(suspectsBucket, replicas), ...limitOfOthers, max_age: durationNs(suspectsAgeMs) },
    ],
    consumers: subscriptions.flatMap(({ consumer, on }) => [
      durable(stream, consumer, subjectOf(on, "*")),
      durable(redrivesStream, redriverOf(consumer), `${redrivesStream}.${consumer}.*.*`),
    ]),
  };
}

/** In the layout of ADR-8, as `Bucket` reads it. */
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

/** No limit of deliveries: the broker would drop a message silently, where a worker makes a dead letter of it. */
const durable = (stream: string, consumer: string, filter: string) => ({
  stream,
  durable_name: consumer,
  ack_policy: "explicit",
  ack_wait: durationNs(ackWaitMs),
  filter_subject: filter,
  max_ack_pending: 20_000,
});
