import { Option } from "commander";
import { type App, type Online, onlineWith, type Register } from "../cli/command-action.ts";
import { explainMissingLog } from "../cli/missing-log.ts";
import { durationMs, withConnection } from "../cli/options.ts";
import { noteClock } from "../cli/read-clock.ts";
import { OrderctlError } from "../core/errors.ts";
import { printableJson } from "../core/foreign-text.ts";
import { checkKey, type Flow, type FlowLog, type FlowShape } from "../flow/flow.ts";
import { takenBy } from "../flow/key-log.ts";
import { foldKey } from "../flow/key-state.ts";
import { findOpenBreaker, type OpenBreaker } from "../flow/process-status.ts";
import { readBrokerClock } from "../jetstream/client/broker-clock.ts";
import type { Connection } from "../jetstream/client/connection.ts";
import type { BackendKind } from "../telemetry/backends/read-backend-trace.ts";
import { joinReadings } from "../telemetry/tracing/span-reading.ts";
import { filterTrace } from "./filter.ts";
import { brokerSpans, type FoundTrace, findTrace, type SpanSource } from "./find-trace.ts";
import { followTrace } from "./follow-command.ts";
import { buildOrderTrace, buildSpanTrace } from "./picture.ts";
import { orderTree } from "./view/order-tree.ts";
import { traceTree } from "./view/span-tree-view.ts";

type Options = {
  errors?: boolean;
  critical?: boolean;
  min?: number;
  all?: boolean;
  follow?: boolean;
  otlp?: boolean;
  from?: BackendKind;
  endpoint?: string;
};

const backendNames = ["jaeger", "tempo"] as const satisfies BackendKind[];

export const registerTrace: Register = (command, act, { flow }) => {
  const example = `${flow.keyName}, the subject of one of its events, or the id of a trace`;
  withConnection(
    command
      .argument("<id>", example, parseId(flow))
      .option("--errors", "only what failed or was tried again, with the path to it")
      .option("--critical", "only what the time was spent on, with its shares")
      .option("--min <time>", "leave out rows that are shorter", durationMs)
      .option("--all", "a row for each of several spans that are alike, and of attempts")
      .option("-f, --follow", "an order under way: until it has ended")
      .addOption(new Option("--otlp", "all that is known as OTLP/JSON").conflicts(["json", "follow"]))
      .addOption(
        new Option("--from <backend>", "take the spans from a tracing backend")
          .choices(backendNames)
          .conflicts("follow"),
      )
      .option("--endpoint <url>", "where that backend answers"),
  ).action((...raw: unknown[]) => {
    const { from, endpoint } = raw.at(-2) as Options;
    if (endpoint !== undefined && from === undefined)
      throw new OrderctlError("usage", "--endpoint says where a backend answers: name it with --from");
    return from === undefined ? act.online(traceHere)(...raw) : act.offline(traceBackend)(...raw);
  });
};

type Wanted = { orderId: string; traceId: string | undefined };

/** Accepts a whole subject too, since ids are often pasted with it: `ORDERS.created.<orderId>`. */
const parseId =
  (flow: FlowShape) =>
  (given: string): string => {
    const text = given.trim();
    const told = flow.parseSubject(text)?.key ?? flow.keyTyped(text);
    return told ?? checkKey(flow, text.split(".").at(-1) ?? "", "usage");
  };

/** 32 hex digits may be an order id or a trace id. */
const wantedBy = (id: string): Wanted => ({
  orderId: id,
  traceId: /^[0-9a-f]{32}$/i.test(id) ? id.toLowerCase() : undefined,
});

async function traceHere(app: Online, options: Options, [id = ""]: string[]): Promise<void> {
  const wanted = wantedBy(id);
  const sources = { log: app, spansOf: brokerSpans(app.connection) };
  const found = await findTrace(sources, wanted).catch((thrown) => {
    throw explainMissingLog(thrown, app);
  });
  const [first] = found.falseMessages;
  if (isEmpty(found) && first) throw takenBy(first, "bad_message");
  if (isEmpty(found)) throw unreadableHere(wanted, found) ?? unknownHere(wanted, app);
  if (options.follow && found.logged.length > 0) await followTrace(app, found, options);
  else await showTrace(app, { ...found, log: app }, options);
}

/** Adds the log's events when a broker answers; without one, the backend's spans alone are shown. */
async function traceBackend(app: App, options: Options, [id = ""]: string[]): Promise<void> {
  const wanted = wantedBy(id);
  const spansOf = await backendSpans(app, options);
  const connection = await connectIfAnybodyAnswers(app);
  try {
    const log = connection && onlineWith(app, connection);
    const found = await findTrace({ log, spansOf }, wanted);
    if (isEmpty(found)) throw unknownThere(wanted, options, { connection, flow: app.flow });
    await showTrace(app, { ...found, log }, options);
  } finally {
    await connection?.close();
  }
}

async function connectIfAnybodyAnswers({ config, terminal, signal }: App): Promise<Connection | undefined> {
  const { openConnection } = await import("../jetstream/client/connection.ts");
  const { connection: settings } = await config();
  const patient = { ...settings, connectTimeoutMs: settings.timeoutMs };
  return openConnection(patient, terminal.note, signal).catch((thrown) => {
    signal.throwIfAborted();
    terminal.note(`${OrderctlError.from(thrown).message}; the spans alone, without the log`);
    return undefined;
  });
}

async function backendSpans({ config, signal }: App, { from, endpoint }: Options): Promise<SpanSource> {
  const { readBackendTrace } = await import("../telemetry/backends/read-backend-trace.ts");
  const { timeoutMs } = (await config()).connection;
  const query = { kind: from ?? "jaeger", endpoint, signal, timeoutMs } as const;
  return async ({ traceIds, orderId }) => {
    if (traceIds.length === 0 && orderId !== undefined)
      return readBackendTrace({ ...query, traceId: undefined, orderId });
    const read = traceIds.map((traceId) => readBackendTrace({ ...query, traceId, orderId }));
    return joinReadings(await Promise.all(read));
  };
}

const isEmpty = ({ logged, spans }: FoundTrace): boolean => logged.length === 0 && spans.length === 0;

/** For an order under way: the open circuit breaker that keeps the next service from working. */
async function breakerBefore(
  { logged }: FoundTrace,
  { connection, flow }: Pick<FlowLog, "connection" | "flow">,
): Promise<OpenBreaker | undefined> {
  const { waitingFor } = foldKey(flow, logged);
  return waitingFor === null ? undefined : findOpenBreaker(connection, waitingFor);
}

/** There is a log whenever events of an order were found. */
async function showTrace(
  { flow, terminal }: App,
  { log, ...found }: FoundTrace & { log: FlowLog | undefined },
  options: Options,
): Promise<void> {
  const { errors = false, critical = false, min, all = false, otlp } = options;
  const { unreadable } = found;
  if (otlp) return showOtlp(terminal, flow, found);
  const filter = { errors, critical, minMs: min };
  if (found.logged.length > 0 && log) {
    const breaker = await breakerBefore(found, log);
    const { difference: clock, nowUs } = await readBrokerClock(log.connection, flow.stream);
    const trace = buildOrderTrace({ ...found, flow, nowUs: nowUs() }, { all, unreadable, breaker });
    // Nothing about an ended order depends on the current time, so the note about clocks is left out.
    if (!trace.ended) noteClock(terminal, clock);
    terminal.show("order-trace", { ...filterTrace(trace, filter), clock }, orderTree(flow));
  } else {
    const trace = buildSpanTrace(found.spans, { all, unreadable });
    terminal.show("trace", filterTrace(trace, filter), traceTree);
  }
}

async function showOtlp(terminal: App["terminal"], flow: Flow, found: FoundTrace): Promise<void> {
  const { exportTrace } = await import("./export-trace.ts");
  const { encodeOtlpJson } = await import("../telemetry/otlp/otlp-json.ts");
  const { spans, reasons } = found.unreadable;
  if (spans > 0) terminal.note(`${spans} that cannot be read are left out: ${reasons.join("; ")}`);
  const document = encodeOtlpJson(exportTrace(flow, found));
  terminal.show("otlp", document, () => printableJson(JSON.stringify(document)));
}

/** The error for a trace with spans of which none can be read; undefined without such spans. */
function unreadableHere({ traceId }: Wanted, { unreadable }: FoundTrace): OrderctlError | undefined {
  const { spans, reasons } = unreadable;
  if (spans === 0) return undefined;
  const what = `${spans === 1 ? "the only span" : `none of the ${spans} spans`} of trace ${traceId}`;
  return new OrderctlError(
    "bad_message",
    `${what} can${spans === 1 ? "not" : ""} be read: ${reasons.join("; ")}`,
    {
      hint: `the stored messages as they are: nats stream get TRACES --last-for TRACES.${traceId}`,
    },
  );
}

function unknownHere({ orderId, traceId }: Wanted, { connection: { server }, flow }: FlowLog): OrderctlError {
  const nothing = `stream ${flow.stream} at ${server} holds no event of ${flow.noun.one} ${orderId}`;
  const place = `was it published to another server (--server)? \`orderctl audit\` counts the ${flow.noun.many} of this one`;
  if (traceId === undefined) return new OrderctlError("not_found", nothing, { hint: place });
  return new OrderctlError("not_found", `${nothing}, and TRACES no span of trace ${traceId}`, {
    hint: "spans are kept for a while, and only where `orderctl collect` or `orderctl up` runs; --from asks a tracing backend",
  });
}

function unknownThere(
  { orderId, traceId }: Wanted,
  { from, endpoint }: Options,
  { connection, flow }: { connection: Connection | undefined; flow: Flow },
): OrderctlError {
  const where = endpoint === undefined ? from : `${from} at ${endpoint}`;
  const what = traceId === undefined ? `${flow.noun.one} ${orderId}` : `trace ${traceId}`;
  const log = connection
    ? `nor does stream ${flow.stream} at ${connection.server}`
    : "and no broker was asked";
  return new OrderctlError("not_found", `${where} knows no span of ${what}, ${log}`, {
    hint: "spans come a few seconds late; --endpoint names another backend, --server another broker",
  });
}
