import { durationNs, type Topology } from "../jetstream/topology.ts";
import { ordersStream, subjectOf } from "../orders/subjects.ts";
import { consumerTable } from "../services/registry.ts";

export const inventoryBucket = "INVENTORY";

export const ackWaitMs = 30_000;

/** Every stream, bucket and durable consumer of the order pipeline. The one place that knows their settings. */
export function orderTopology({ replicas = 1 }: { replicas?: number } = {}): Topology {
  return {
    streams: [
      {
        name: ordersStream,
        subjects: [`${ordersStream}.>`],
        storage: "file",
        retention: "limits",
        num_replicas: replicas,
        allow_direct: true,
        // One event of each kind per order: a second one is refused, whoever sends it and however late.
        max_msgs_per_subject: 1,
        discard: "new",
        discard_new_per_subject: true,
      },
      {
        name: `KV_${inventoryBucket}`,
        subjects: [`$KV.${inventoryBucket}.>`],
        storage: "file",
        num_replicas: replicas,
        allow_direct: true,
        allow_rollup_hdrs: true,
        deny_delete: true,
        max_msgs_per_subject: 1,
        discard: "new",
      },
    ],
    consumers: consumerTable.map(({ consumer, consumes }) => ({
      stream: ordersStream,
      durable_name: consumer,
      ack_policy: "explicit",
      ack_wait: durationNs(ackWaitMs),
      filter_subject: subjectOf(consumes, "*"),
      max_ack_pending: 20_000,
    })),
  };
}
