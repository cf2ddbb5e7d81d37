import { InvalidArgumentError, Option } from "commander";
import type { Online, Register } from "../cli/command-action.ts";
import {
  type AllowedHostFlags,
  bytes,
  durationMs,
  port,
  replicas,
  withAllowedHosts,
  withConnection,
} from "../cli/options.ts";
import type { LogFlags } from "../cli/service-log.ts";
import { logLevelOption } from "../cli/telemetry-options.ts";
import { untilStopped } from "../cli/until-stopped.ts";
import { within } from "../core/waiting.ts";
import type { Connection } from "../jetstream/client/connection.ts";
import { countSubjects } from "../jetstream/streams/read-subject.ts";
import { collectLine, collectSummary } from "./collect-line.ts";
import { type Collector, startCollector } from "./start-collector.ts";
import { type TraceLimits, traceDefaults, tracesStream } from "./traces-stream.ts";

type Options = LogFlags &
  AllowedHostFlags & { host: string; port: number; keep: number; maxBytes: number; replicas: number };

/** Where the collector receives spans and where it stores them. */
export type Collecting = TraceLimits & {
  /** The value for `OTEL_EXPORTER_OTLP_ENDPOINT`. */
  endpoint: string;
  stream: string;
  broker: string;
};

/**
 * What became of the received spans. `traces` is the number of traces in the stream, `null` if the broker does not
 * answer.
 */
export type Collected = ReturnType<Collector["counts"]> & { traces: number | null };

export const registerCollect: Register = (command, act) => {
  withConnection(
    withAllowedHosts(command)
      .option("--host <host>", "where to listen", "127.0.0.1")
      .option("--port <port>", "where to listen; 0 takes a free one", port, 4318)
      .addOption(
        new Option("--keep <time>", "how long spans are kept")
          .default(traceDefaults.keepMs, "24h")
          .argParser(keepMs),
      )
      .addOption(
        new Option("--max-bytes <size>", "how much of them is kept")
          .default(traceDefaults.maxBytes, "1GiB")
          .argParser(bytes),
      )
      .option("--replicas <n>", "of the stream, when it is created", replicas, 1)
      .addOption(logLevelOption()),
  ).action(act.online(collect, { patient: true }));
};

async function collect(app: Online, { keep, ...options }: Options): Promise<undefined> {
  const { connection, terminal } = app;
  const limits = { keepMs: keep, maxBytes: options.maxBytes, replicas: options.replicas };
  const { host, port, allowHost: allowedHosts } = options;
  const where = { host, port, allowedHosts, flag: "--port" };
  const collector = await startCollector(connection, { ...where, ...limits, note: terminal.note });
  const place = { endpoint: collector.url, stream: tracesStream, broker: connection.server };
  terminal.show<Collecting>("collecting", { ...place, ...limits }, collectLine);
  await untilStopped(app, collector);
  const traces = await countTraces(connection);
  terminal.note(collectSummary({ ...collector.counts(), traces }), {}, "info");
  return undefined;
}

/** The count is only for the closing note and must not keep the command from ending. */
const countMs = 1000;

const countTraces = async (connection: Connection): Promise<number | null> =>
  connection.isConnected()
    ? within(countSubjects(connection, tracesStream), countMs, "").catch(() => null)
    : null;

function keepMs(text: string): number {
  const ms = durationMs(text);
  if (ms < 1000) throw new InvalidArgumentError("expected at least 1s.");
  return ms;
}
