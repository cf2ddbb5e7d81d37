import { orderTopology } from "../../src/flow/topology.ts";
import { durationNs, type Topology } from "../../src/jetstream/streams/topology.ts";

/** The pipeline's own topology, but what a killed worker or broker took along comes again after `ackWaitMs` already. */
export function hastyTopology(ackWaitMs: number, replicas = 1): Topology {
  const { streams, consumers } = orderTopology({ replicas });
  return { streams, consumers: consumers.map((spec) => ({ ...spec, ack_wait: durationNs(ackWaitMs) })) };
}
