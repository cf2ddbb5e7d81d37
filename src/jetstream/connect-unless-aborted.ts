import { type ConnectionOptions, connect, type NatsConnection } from "nats";

/**
 * Connects, or rejects with the signal's reason as soon as that aborts. The client itself cannot be told to stop
 * trying: a connection that comes too late is closed.
 */
export async function connectUnlessAborted(
  options: ConnectionOptions,
  signal: AbortSignal | undefined,
): Promise<NatsConnection> {
  signal?.throwIfAborted();
  const connecting = connect(options);
  let onAbort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal?.reason);
    signal?.addEventListener("abort", onAbort);
  });
  try {
    return await Promise.race([connecting, aborted]);
  } catch (thrown) {
    void connecting.then((late) => late.close()).catch(() => undefined);
    throw thrown;
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}
