import type { FlowShape } from "../../src/flow/flow.ts";
import { flowTopology } from "../../src/flow/flow-topology.ts";
import { durationNs, type Topology } from "../../src/jetstream/streams/apply-topology.ts";
import { orderShape } from "../../src/orders/flow.ts";

/** The flow's own topology, the orders' by default, but what a killed worker or broker took along comes again after `ackWaitMs` already. */
export function hastyTopology(ackWaitMs: number, replicas = 1, shape: FlowShape = orderShape): Topology {
  const { streams, consumers } = flowTopology(shape, { replicas });
  return { streams, consumers: consumers.map((spec) => ({ ...spec, ack_wait: durationNs(ackWaitMs) })) };
}
