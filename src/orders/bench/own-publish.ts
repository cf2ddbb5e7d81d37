import { openConnection } from "../../jetstream/client/connection.ts";
import { Publisher } from "../../jetstream/publish/publisher.ts";
import { publishEvents } from "../../publish/publish-events.ts";
import { nowUs } from "../../telemetry/clock.ts";
import { orderFlow } from "../built-in-flow.ts";
import { generateOrders } from "../publish/open-order-source.ts";
import { bodyBytes, createdSubject, createLog, eventHeaders } from "./bare-client.ts";
import { startCostMeter } from "./cost-meter.ts";
import { type Figures, percentilesOf } from "./figures.ts";
import { measurePublishing } from "./measure-publishing.ts";
import type { PublishTask } from "./task.ts";

/** Stores events with orderctl's publisher: ready-made ones, or orders on the whole code path of `publish order`. */
export async function publishOwn(task: PublishTask): Promise<Figures> {
  const connection = await openConnection(task.connection);
  const publisher = new Publisher(connection, { window: task.window });
  try {
    await createLog(connection.jsm);
    return await (task.way === "publisher" ? storeBodies : storeOrders)(task, publisher);
  } finally {
    publisher.close();
    await connection.close();
  }
}

function storeBodies(task: PublishTask, publisher: Publisher): Promise<Figures> {
  const payload = new Uint8Array(bodyBytes);
  return measurePublishing(task, ({ stored, failed }) => (index) => {
    const publication = { subject: createdSubject(index), payload, headers: eventHeaders() };
    publisher.publish(publication).then(() => stored(index), failed);
  });
}

/** Latencies count from the creation of an order, before it waits for a place in the window. */
async function storeOrders({ count, brokerPid }: PublishTask, publisher: Publisher): Promise<Figures> {
  const latenciesMs = new Float64Array(count);
  let done = 0;
  const { orders } = generateOrders(count, undefined);
  const costs = startCostMeter(brokerPid);
  const { failure } = await publishEvents({ flow: orderFlow, publisher }, orders, {
    origin: { service: "publish", instance: "bench" },
    signal: new AbortController().signal,
    onStored(event) {
      const createdAtUs = event.kind === "created" ? event.createdAtUs : null;
      latenciesMs[done++] = (nowUs() - (createdAtUs ?? 0)) / 1000;
    },
  });
  if (failure) throw failure;
  return { ...costs(count), ...percentilesOf(latenciesMs) };
}
