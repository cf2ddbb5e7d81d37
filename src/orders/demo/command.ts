import { auditLog } from "../../audit/audit-log.ts";
import { auditVerdict } from "../../audit/audit-verdict.ts";
import { nothingSeen } from "../../audit/log-reading.ts";
import { withOwnBroker } from "../../broker/own-broker.ts";
import type { App, Online, Register } from "../../cli/command-action.ts";
import { count, positive, withJson } from "../../cli/options.ts";
import { readClock } from "../../cli/read-clock.ts";
import { withMetricsFlags } from "../../cli/telemetry-options.ts";
import type { Connection } from "../../jetstream/client/connection.ts";
import { readLag } from "../../jetstream/streams/lag.ts";
import { readNext } from "../../jetstream/streams/read-message.ts";
import { lagTable } from "../../lag/lag-table.ts";
import { feed as feedLog } from "../../publish/feed.ts";
import { feedProgressText } from "../../publish/feed-progress.ts";
import { withServiceFlags } from "../../serve/service-options.ts";
import { servingLine } from "../../serve/serving-line.ts";
import { type ServingFlags, startServices } from "../../serve/start-services.ts";
import { brokerSpans, findTrace } from "../../trace/find-trace.ts";
import { buildOrderTrace } from "../../trace/picture.ts";
import { orderTree } from "../../trace/view/order-tree.ts";
import { orderFlow } from "../built-in-flow.ts";
import { catalogueOf } from "../catalogue.ts";
import type { EventKind } from "../events.ts";
import { generateOrders } from "../publish/open-order-source.ts";
import { publishReport } from "../publish/publish-report.ts";
import { setStock } from "../stock/set-stock.ts";
import { ordersStream, parseSubject, subjectOf } from "../subjects.ts";
import { brokerLine, demoFarewell, demoSection } from "./demo-sections.ts";

type Options = ServingFlags & { count: number; rate: number; seed?: number };

const patienceMs = 20_000;
const drainMs = 5000;
/** Index in the catalogue of a popular article that runs out during the demo, so that some orders end with a refund. */
const scarceIndex = 2;

export const registerDemo: Register = (command, act, program) => {
  command
    .option("-n, --count <n>", "how many orders", positive, 10_000)
    .option("--rate <n>", "orders per second", positive, 2000)
    .option("--seed <n>", "the same seed makes the same orders", count);
  withJson(withMetricsFlags(withServiceFlags(command, program))).action(act.offline(demo));
};

/** Runs the whole pipeline on a broker of its own, from the first order to the audit; leaves nothing behind. */
async function demo(app: App, options: Options): Promise<number> {
  const progress = await app.terminal.progress();
  const onStep = (text: string) => progress.update(text);
  try {
    return await withOwnBroker(app, { port: 0, note: onStep }, (online, broker) => {
      progress.end();
      const { version, url, source } = broker;
      app.terminal.show("broker", { version, url, source }, demoSection("broker", brokerLine));
      return runDemo(online, options);
    });
  } finally {
    progress.end();
  }
}

async function runDemo(online: Online, options: Options): Promise<number> {
  const { connection, flow, program, terminal, signal } = online;
  const flags = { ...options, httpPort: 0 };
  const services = await startServices(online, { names: program.runnable, flags });
  try {
    terminal.show("serving", services.serving, demoSection("services", servingLine(services.told)));
    await stockShelves(online, options.count);
    await feed(online, options);
    const lag = await readLag(connection, { stream: flow.stream, intervalMs: 500, signal });
    terminal.show("consumer-lag", lag, demoSection("lag", lagTable));
    const clock = await readClock(online, flow.stream);
    await showOneOrder(online, clock.nowUs());
    const audit = await auditLog(online, { graceMs: 0, clock, signal, seen: nothingSeen() });
    terminal.show("audit", audit, demoSection("audit", auditVerdict(flow)));
    if (!terminal.json) terminal.show("demo", null, demoFarewell);
    return audit.verdict === "PASS" ? 0 : 1;
  } finally {
    await services.stop(drainMs);
  }
}

/**
 * Stocks plenty of every article but the scarce one, of which it stocks about 95 % of the units that will be ordered.
 */
async function stockShelves(log: Online, orders: number): Promise<void> {
  const units = (index: number) => (index === scarceIndex ? Math.ceil(orders * 0.16) : orders * 10);
  await setStock(log, new Map(catalogueOf().map(({ sku }, index) => [sku, units(index)])));
}

async function feed({ connection, archive, terminal, signal }: Online, options: Options): Promise<void> {
  const { seed, orders } = generateOrders(options.count, options.seed);
  const progress = await terminal.progress();
  const { report, failure } = await feedLog({ connection, archive, flow: orderFlow }, orders, {
    origin: { service: "publish", instance: "demo" },
    window: 256,
    pace: { rate: options.rate, profile: "steady" },
    waitMs: patienceMs,
    signal,
    onProgress: (at) => progress.update(feedProgressText(at, options.count, orderFlow.noun)),
  }).finally(() => progress.end());
  const data = {
    ...report,
    firstOrderId: null,
    seed,
    file: null,
    rejected: 0,
    rejectsShown: [],
    resumeCommand: null,
  };
  terminal.show("publish-report", data, demoSection("orders", publishReport));
  if (failure) throw failure;
}

/** Shows a refunded order, which has the most events; if there is none, a shipped one. */
async function showOneOrder(online: Online, nowUs: number): Promise<void> {
  const { connection, flow, terminal } = online;
  const orderId =
    (await findOrderWith(connection, "refunds")) ?? (await findOrderWith(connection, "shipments"));
  if (!orderId) return;
  const from = { log: online, spansOf: brokerSpans(connection) };
  const trace = buildOrderTrace({
    ...(await findTrace(from, { orderId, traceId: undefined })),
    flow,
    nowUs,
  });
  terminal.show("order-trace", trace, demoSection("one order", orderTree(flow)));
}

/** The id of the first order in the log that has an event of `kind`, or undefined if none has. */
export async function findOrderWith(connection: Connection, kind: EventKind): Promise<string | undefined> {
  const query = { seq: 1, next_by_subj: subjectOf(kind, "*") };
  const first = await readNext(connection, ordersStream, query);
  return first && parseSubject(first.subject)?.orderId;
}
