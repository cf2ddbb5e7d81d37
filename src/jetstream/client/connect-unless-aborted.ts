import { type ConnectionOptions, connect, type NatsConnection } from "nats";
import { untilAborted } from "../../core/until-aborted.ts";

/**
 * Connects, or rejects with the signal's reason as soon as that aborts. The client itself cannot be told to stop
 * trying: a connection that comes too late is closed.
 */
export async function connectUnlessAborted(
  options: ConnectionOptions,
  signal: AbortSignal | undefined,
): Promise<NatsConnection> {
  if (!signal) return connect(options);
  signal.throwIfAborted();
  const connecting = connect(options);
  const connection = await untilAborted(connecting, signal);
  if (connection) return connection;
  void connecting.then((late) => late.close()).catch(() => undefined);
  throw signal.reason;
}
