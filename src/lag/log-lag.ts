import { archiveLine } from "../cli/archive-line.ts";
import { OrderctlError } from "../core/errors.ts";
import type { FlowLog } from "../flow/flow.ts";
import { buildLogArchive, type LogArchive } from "../flow/log-archive.ts";
import { createLogMeter } from "../flow/log-cost.ts";
import { readProcesses } from "../flow/process-status.ts";
import type { LagQuery, StreamLag } from "../jetstream/streams/lag.ts";
import type { View } from "../terminal/terminal.ts";
import { lagTable } from "./lag-table.ts";
import { readServiceLag } from "./service-lag.ts";

export type LogLag = StreamLag & {
  /** `null` for a stream that is not the flow's log, and when this user may not ask the processes. */
  archive: LogArchive | null;
};

/** Returns a function that reads the lag of a stream, and for the flow's log who archives it. */
export function createLagReader(log: FlowLog, query: LagQuery): () => Promise<LogLag> {
  const { connection, flow } = log;
  const { stream, signal } = query;
  if (stream !== flow.stream || !flow.isManaged)
    return async () => ({ ...(await readServiceLag(log, query)), archive: null });
  const measure = createLogMeter(connection, stream);
  // Who may not ask, asks once: each refusal is a line in the server's log.
  let mayAsk = true;
  const ask = () =>
    readProcesses(connection, signal).catch((thrown) => {
      mayAsk = OrderctlError.from(thrown).code !== "denied";
      return undefined;
    });
  return async () => {
    const [lag, processes] = await Promise.all([
      readServiceLag(log, query),
      mayAsk ? ask() : undefined,
      // The first of two samples, for whoever asks once.
      measure(),
    ]);
    const cost = processes && (await measure());
    const { sampledAt } = lag;
    return { ...lag, archive: cost ? buildLogArchive(stream, processes, { sampledAt, cost }) : null };
  };
}

/** The lag of every consumer; then how far the log is archived. */
export const lagReport: View<LogLag> = (lag, style) =>
  [lagTable(lag, style), archiveLine(lag.archive, lag.clock, style)]
    .filter((part) => part !== "")
    .join("\n\n");
