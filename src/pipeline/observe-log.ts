import { OrderctlError } from "../errors.ts";
import type { Connection } from "../jetstream/connection.ts";
import { readLag } from "../jetstream/lag.ts";
import { readStreamSize } from "../jetstream/stream-size.ts";
import { ordersStream } from "../orders/subjects.ts";
import type { ConsumerState, Metrics, StreamsState } from "../telemetry/metrics.ts";

const deadLettersStream = "DEAD_LETTERS";

/** Lets metrics tell how far the log's consumers are and how much it holds, for as long as the broker answers. */
export function observeLog(metrics: Metrics, connection: Connection): void {
  metrics.observeConsumers(() => readConsumers(connection));
  metrics.observeStreams(() => readStreams(connection));
}

async function readConsumers(connection: Connection): Promise<ConsumerState[]> {
  mustBeConnected(connection);
  const { stream, consumers } = await readLag(connection, { stream: ordersStream, intervalMs: 0 });
  return consumers.map((consumer) => ({ stream, ...consumer }));
}

async function readStreams(connection: Connection): Promise<StreamsState> {
  mustBeConnected(connection);
  const [orders, deadLetters] = await Promise.all([
    readStreamSize(connection, ordersStream),
    readStreamSize(connection, deadLettersStream),
  ]);
  const streams = orders ? [{ stream: ordersStream, ...orders }] : [];
  return { streams, deadLetters: deadLetters?.messages ?? 0 };
}

/** What is asked of a lost broker waits for its answer until the request times out. */
function mustBeConnected(connection: Connection): void {
  if (!connection.isConnected()) throw new OrderctlError("unavailable", "the broker is away");
}
