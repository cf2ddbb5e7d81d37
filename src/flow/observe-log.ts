import { OrderctlError } from "../core/errors.ts";
import type { Connection } from "../jetstream/client/connection.ts";
import { countSubjectsLike } from "../jetstream/dead-letters/dead-letter-store.ts";
import { readLag } from "../jetstream/streams/lag.ts";
import { readStreamSize } from "../jetstream/streams/read-message.ts";
import type { ConsumerState, Metrics, StreamsState } from "../telemetry/metrics/metrics.ts";
import type { FlowLog } from "./flow.ts";
import { deadLettersStream, redrivesStream } from "./flow-topology.ts";

/** Feeds metrics with the lag of the log's consumers and the sizes of the streams, while the broker answers. */
export function observeLog(metrics: Metrics, log: FlowLog): void {
  metrics.observeConsumers(() => readConsumers(log));
  metrics.observeStreams(() => readStreams(log));
}

async function readConsumers({ connection, flow }: FlowLog): Promise<ConsumerState[]> {
  mustBeConnected(connection);
  // Ephemeral consumers end with their process and are nobody's backlog; each would leave a metric series behind.
  const query = { stream: flow.stream, intervalMs: 0, durableOnly: true };
  const { stream, consumers } = await readLag(connection, query);
  return consumers.map((consumer) => ({ stream, ...consumer }));
}

async function readStreams({ connection, flow }: FlowLog): Promise<StreamsState> {
  mustBeConnected(connection);
  const [orders, deadLetters] = await Promise.all([
    readStreamSize(connection, flow.stream),
    countDeadLetters(connection),
  ]);
  const streams = orders ? [{ stream: flow.stream, ...orders }] : [];
  return { streams, deadLetters };
}

/** Counts the open dead letters: those without a redrive. The first redrive of each has a subject ending in `.1`. */
export async function countDeadLetters(connection: Connection): Promise<number> {
  const [deadLetters, redriven] = await Promise.all([
    readStreamSize(connection, deadLettersStream),
    countSubjectsLike(connection, redrivesStream, `${redrivesStream}.*.*.1`),
  ]);
  return Math.max(0, (deadLetters?.messages ?? 0) - redriven);
}

/** Fails fast: a request on a lost connection would wait until it times out. */
function mustBeConnected(connection: Connection): void {
  if (!connection.isConnected()) throw new OrderctlError("unavailable", "the broker is away");
}
