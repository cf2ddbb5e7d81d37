import { setTimeout as wait } from "node:timers/promises";
import { nothingArchived } from "../../flow/archived-log.ts";
import { serviceOnBroker } from "../../flow/define/flow-services.ts";
import { definedHandlers } from "../../flow/define/handlers.ts";
import { HandlerBreaker } from "../../flow/define/service-breaker.ts";
import type { Flow } from "../../flow/flow.ts";
import { flowTopology } from "../../flow/flow-topology.ts";
import { type FlowParts, runServices } from "../../flow/run-services.ts";
import { type Connection, openConnection } from "../../jetstream/client/connection.ts";
import { Publisher } from "../../jetstream/publish/publisher.ts";
import { applyTopology } from "../../jetstream/streams/apply-topology.ts";
import { nowUs } from "../../telemetry/clock.ts";
import { encodeHop, hopHeader } from "../../telemetry/hop.ts";
import { orderFlow } from "../built-in-flow.ts";
import type { OrderEvent } from "../events.ts";
import { createSimulatedGateway } from "../gateway/simulated-gateway.ts";
import { createOrderGenerator } from "../generator.ts";
import { orderParts } from "../service-parts.ts";
import { partners } from "../services/handlers.ts";
import { startCostMeter } from "./cost-meter.ts";
import type { Figures } from "./figures.ts";
import { noPercentiles } from "./figures.ts";
import { compileReflectedFlow } from "./reflected-flow.ts";
import type { Stage, StageTask, Tell } from "./task.ts";

const instance = "bench";
const drainMs = 5000;
const pollMs = 5;
/** Most events in flight while the stream is filled. */
const fillWindow = 256;

/** A flow of which one service runs. */
type Way = { flow: Flow; service: string; parts: FlowParts };

/**
 * Fills the stream with the events that one service takes, then runs that service until it has worked them off. Counts
 * from its start, topology included, until the last outcome is stored and its event acknowledged.
 */
export async function runStage(task: StageTask, tell: Tell): Promise<Figures> {
  const connection = await openConnection(task.connection, tell.note);
  try {
    const way = await (task.flow === "built-in" ? builtIn : reflected)(task.stage, tell);
    await applyTopology(connection, flowTopology(way.flow));
    await fill(connection, way.flow, task);
    return await workOff(connection, way, { ...task, note: tell.note });
  } finally {
    await connection.close();
  }
}

async function workOff(
  connection: Connection,
  { flow, service, parts }: Way,
  { count, brokerPid, concurrency, window, note, stage }: StageTask & Pick<Tell, "note">,
): Promise<Figures> {
  const consumer = flow.subscriptionsOf(service).find(({ on }) => on === taken[stage])?.consumer ?? "";
  const costs = startCostMeter(brokerPid);
  const services = await runServices({ connection, flow, archive: nothingArchived }, [service], {
    ...{ parts, concurrency, window, instance, note, replicas: 1 },
    // Nobody archives what it measures.
    followArchive: undefined,
  });
  while ((services.counts()[consumer]?.processed ?? 0) < count) await wait(pollMs);
  const figures = costs(count);
  await services.stop(drainMs);
  return { ...figures, ...noPercentiles };
}

/** The kind that a stage takes. */
const taken = { shipping: "reservations", notification: "shipments" } as const satisfies Record<
  Stage,
  string
>;

async function builtIn(service: Stage, { note }: Tell): Promise<Way> {
  const parts = orderParts({
    gateway: createSimulatedGateway({ seed: 1, declineShare: 0, latencyMs: 0 }),
    defaultStock: 0,
    ...partners,
    instance,
    http: { host: "127.0.0.1", port: 0 },
    note,
  });
  return { flow: orderFlow as unknown as Flow, service, parts };
}

/** As `serve` runs a user's flow, with a breaker around each service. */
async function reflected(stage: Stage, { note }: Tell): Promise<Way> {
  const compiled = await compileReflectedFlow();
  const service = serviceOnBroker(compiled.defined.definition.name, stage);
  const breaker = new HandlerBreaker(service, note);
  return {
    flow: compiled.flow as unknown as Flow,
    service,
    parts: {
      handlers: (log) =>
        definedHandlers(compiled, { log, deps: undefined, breakers: new Map([[stage, breaker]]) }),
      breakers: { [service]: breaker },
    },
  };
}

/** The same bytes in either stream. */
async function fill(connection: Connection, flow: Flow, { count, stage }: StageTask): Promise<void> {
  const publisher = new Publisher(connection, { window: fillWindow });
  const generator = createOrderGenerator({ seed: 1 });
  const storing: Promise<unknown>[] = [];
  for (let index = 0; index < count; index += 1) {
    const event = eventFor(stage, generator.next());
    await publisher.ready();
    storing.push(
      publisher.publish({
        subject: flow.subjectOf(taken[stage], event.orderId),
        payload: orderFlow.encode(event),
        headers: { [hopHeader]: hopOf() },
      }),
    );
  }
  await Promise.all(storing);
  publisher.close();
}

function hopOf(): string {
  const now = nowUs();
  const times = { receivedAtUs: now, startedAtUs: now, finishedAtUs: now, orderAtUs: now };
  return encodeHop({ causeSequence: 1, service: "bench", instance, attempt: 1, ...times });
}

function eventFor(
  stage: Stage,
  { orderId, total, lines }: { orderId: string } & Pick<Reserved, "total" | "lines">,
) {
  const reserved: Reserved = {
    ...{ kind: "reservations", orderId, status: "RESERVED", missingSkus: [] },
    ...{ chargeId: `ch_${orderId}`, total, lines },
  };
  const { carrier } = partners;
  const trackingId = `${carrier.toUpperCase()}-${orderId}`;
  return stage === "shipping" ? reserved : ({ kind: "shipments", orderId, carrier, trackingId } as const);
}

type Reserved = Extract<OrderEvent, { kind: "reservations" }>;
