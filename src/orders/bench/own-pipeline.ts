import { setTimeout as wait } from "node:timers/promises";
import { nothingArchived } from "../../flow/archived-log.ts";
import { ackWaitMs, flowTopology } from "../../flow/flow-topology.ts";
import { asHandlers, type Handler, handlerOf } from "../../flow/handler.ts";
import { processWith } from "../../flow/process-event.ts";
import { createFirstPublisher } from "../../flow/publish-event.ts";
import { runServices } from "../../flow/run-services.ts";
import { type Connection, openConnection } from "../../jetstream/client/connection.ts";
import { Worker } from "../../jetstream/consume/worker.ts";
import { Publisher } from "../../jetstream/publish/publisher.ts";
import { applyTopology } from "../../jetstream/streams/apply-topology.ts";
import { nowUs } from "../../telemetry/clock.ts";
import { noTelemetry, startTelemetry, type Telemetry } from "../../telemetry/telemetry.ts";
import { orderFlow } from "../built-in-flow.ts";
import type { OrderEvent } from "../events.ts";
import { createRetryingGateway } from "../gateway/retrying-gateway.ts";
import { createSimulatedGateway } from "../gateway/simulated-gateway.ts";
import { createOrderGenerator } from "../generator.ts";
import { orderParts } from "../service-parts.ts";
import { partners } from "../services/handlers.ts";
import { processPayment } from "../services/payment.ts";
import { ordersStream } from "../subjects.ts";
import { traceparent } from "./bare-client.ts";
import { feed } from "./feed.ts";
import type { Figures } from "./figures.ts";
import { FlowMeter } from "./flow-meter.ts";
import type { GenerateTask, Tell, WorkTask } from "./task.ts";

const instance = "bench";
const drainMs = 5000;
/** Time limit for exporting the last spans; with a bad collector all of it is spent. */
const flushMs = 2000;
const pollMs = 5;
/** Stock of each SKU per order of the run: far more than five lines of four units each, the largest order. */
const unitsPerOrder = 100;

/** Publishes real orders, each made right before it is published, with a trace context. */
export async function generateOwn(task: GenerateTask): Promise<null> {
  const connection = await openConnection(task.connection);
  // At a fixed rate the window must not hold an order back, or the order's lateness would not show in the measurement.
  const publisher = new Publisher(connection, { window: task.rate > 0 ? task.count : task.window });
  const generator = createOrderGenerator();
  const telemetry = await openTelemetry(task, "publish");
  const publish = createFirstPublisher(orderFlow, { publisher, telemetry }, { service: "publish", instance });
  const how = task.spansTo ? {} : { parent: { traceparent } };
  try {
    await feed(task, ({ stored, failed }) => () => {
      publish(generator.next(nowUs()), how).then(stored, failed);
    });
    return null;
  } finally {
    await telemetry.stop(flushMs);
    publisher.close();
    await connection.close();
  }
}

/** Runs the payment service alone, or all services in this process, as `serve` would. */
export async function workOwn(task: WorkTask, tell: Tell): Promise<Figures> {
  const connection = await openConnection(task.connection, tell.note);
  try {
    return await (task.stages === 1 ? processPayments : runAllServices)(connection, task, tell);
  } finally {
    await connection.close();
  }
}

const createGateway = () => createSimulatedGateway({ seed: 1, declineShare: 0, latencyMs: 0 });

async function processPayments(connection: Connection, task: WorkTask, tell: Tell): Promise<Figures> {
  const { concurrency, window } = task;
  await applyTopology(connection, flowTopology(orderFlow));
  const publisher = new Publisher(connection, { window });
  const meter = new FlowMeter(task);
  const handler = metered(processPayment(createGateway()), meter);
  const worker = new Worker(
    { connection, publisher },
    { stream: ordersStream, consumer: "payment-processor", concurrency, ackWaitMs, note: tell.note },
    processWith(orderFlow, handlerOf(asHandlers({ handler }), "handler"), { service: "payment", instance }),
  );
  tell.ready();
  const figures = await meter.finished;
  await worker.stop(drainMs);
  publisher.close();
  return figures;
}

/** Reports each delivery to the meter, and each order once its payment is stored; decodes nothing in addition. */
const metered =
  (handler: Handler<OrderEvent>, meter: FlowMeter): Handler<OrderEvent> =>
  (event, context) => {
    meter.delivered();
    const createdAtUs = (event.kind === "created" && event.createdAtUs) || 0;
    context.onStored(() => meter.stored(createdAtUs / 1000));
    return handler(event, context);
  };

/**
 * Counts an order as ended when its shipment's notification is stored: in this run no payment is declined and no SKU
 * runs out.
 */
async function runAllServices(connection: Connection, task: WorkTask, tell: Tell): Promise<Figures> {
  const { concurrency, window, count } = task;
  const telemetry = await openTelemetry(task, "orderctl");
  const services = await runServices(
    { connection, flow: orderFlow, archive: nothingArchived },
    orderFlow.services,
    {
      parts: orderParts({
        gateway: createRetryingGateway(createGateway(), { attempts: 3, backoffMs: 100 }),
        defaultStock: count * unitsPerOrder,
        ...partners,
        instance,
        http: { host: "127.0.0.1", port: 0 },
        note: tell.note,
      }),
      // Nobody archives what it measures.
      followArchive: undefined,
      telemetry,
      concurrency,
      window,
      instance,
      replicas: 1,
      note: tell.note,
    },
  );
  const meter = new FlowMeter(task);
  tell.ready();
  const { finished } = meter;
  while (endedIn(services.counts(), meter) < count) await wait(pollMs);
  meter.end();
  await services.stop(drainMs);
  await telemetry.stop(flushMs);
  return finished;
}

/**
 * Traces only if the task names a collector. `env` is empty so that OTEL_* variables cannot change what is compared.
 */
async function openTelemetry({ spansTo }: GenerateTask | WorkTask, service: string): Promise<Telemetry> {
  if (!spansTo) return noTelemetry;
  const identity = { service, instance, version: "bench" };
  return startTelemetry({ ...identity, ...spansTo, env: {}, prometheus: false, note: () => {} });
}

type Counts = Record<string, { processed: number; inFlight: number }>;

function endedIn(counts: Counts, meter: FlowMeter): number {
  const first = counts["payment-processor"];
  if (first && first.processed + first.inFlight > 0) meter.delivered();
  return counts["notification-shipped"]?.processed ?? 0;
}
