import { readTrace } from "../../src/collector/read-trace.ts";
import { type Collector, startCollector } from "../../src/collector/start-collector.ts";
import { flowTopology } from "../../src/flow/flow-topology.ts";
import { readKey } from "../../src/flow/key-log.ts";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { Publisher } from "../../src/jetstream/publish/publisher.ts";
import { applyTopology } from "../../src/jetstream/streams/apply-topology.ts";
import { orderShape } from "../../src/orders/flow.ts";
import type { PartsOptions } from "../../src/orders/service-parts.ts";
import { subjectOf } from "../../src/orders/subjects.ts";
import { encodeEvent } from "../../src/orders/wire/codec.ts";
import { startTelemetry } from "../../src/telemetry/telemetry.ts";
import { event } from "../orders/order-log.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { orderLog } from "../support/order-log.ts";
import { startServices } from "../support/start-services.ts";
import { startTestBroker, type TestBroker } from "../support/start-test-broker.ts";
import { until } from "../support/until.ts";

export type TraceWorld = {
  broker: TestBroker;
  connection: Connection;
  collector: Collector;
  stop(): Promise<void>;
};

/** A broker with the streams of orders, and a collector that stores spans in it. */
export async function openTraceWorld(): Promise<TraceWorld> {
  const broker = await startTestBroker();
  const connection = await openTestConnection(broker.url);
  await applyTopology(connection, flowTopology(orderShape));
  const collector = await startCollector(connection, { host: "127.0.0.1", port: 0, note: () => {} });
  const stop = async () => {
    await collector.stop(1000);
    await connection.close();
    await broker.stop();
  };
  return { broker, connection, collector, stop };
}

/**
 * Ships the orders `traced` and `untraced`, one after the other, through real services whose spans go to the
 * collector; each is in the trace that is given, and the second is not sampled. Resolves when the spans are stored.
 */
export async function shipOrders(
  { connection, collector }: TraceWorld,
  traceIds: { traced: string; untraced: string },
  payingWith: Pick<PartsOptions, "gateway" | "breaker">,
): Promise<void> {
  const telemetry = await startTelemetry({
    ...{ env: {}, service: "orderctl", instance: "box-1", version: "0.0.0", note: () => {} },
    ...{ collector: collector.url, tracesPerSecond: 100, prometheus: false },
  });
  const services = await startServices(connection, undefined, { ...payingWith, telemetry });
  const hasEnded = async (id: string) => (await readKey(orderLog(connection), id)).events.length === 5;
  for (const [id, flags] of [
    ["traced", "01"],
    ["untraced", "00"],
  ] as const) {
    await create(connection, id, `00-${traceIds[id]}-00000000000000aa-${flags}`);
    await until(() => hasEnded(id), 20_000);
  }
  await services.stop(5000);
  await telemetry.stop(5000);
  await until(async () => (await readTrace(connection, traceIds.traced)).spans.length > 0);
}

async function create(connection: Connection, id: string, traceparent: string): Promise<void> {
  const publisher = new Publisher(connection);
  const payload = encodeEvent(event("created", id));
  await publisher.publish({ subject: subjectOf("created", id), payload, headers: { traceparent } });
  publisher.close();
}
