import { setTimeout as delay } from "node:timers/promises";
import { OrderctlError } from "../core/errors.ts";
import type { Note } from "../core/note.ts";
import { type Broker, type BrokerExit, type BrokerStart, startBroker } from "./start-broker.ts";

/** Between two starts that came to nothing, or of a broker that lived no longer than this. */
const pauseMs = 1000;

/**
 * Starts a broker and, until it is stopped, starts it again whenever it ends by itself: on the same port and with what
 * it had stored, so that its clients find it again. One line for each end. Rejects as `startBroker` where the first
 * start fails. The first may be one that runs already.
 */
export async function keepBroker(
  start: BrokerStart,
  note: Note,
  running?: Broker,
): Promise<Omit<Broker, "kill" | "exited" | "pid"> & { pid(): number }> {
  let broker = running ?? (await startBroker(start));
  let startedAt = performance.now();
  const { url, nkey, port, version, storeDir } = broker;
  // Whoever is connected comes back with what he has.
  const again = { ...start, port, noAuth: nkey === undefined };
  const stopped = new AbortController();
  const keeping = (async () => {
    while (!stopped.signal.aborted) {
      const exit = await broker.exited;
      if (stopped.signal.aborted) return;
      note(`nats-server ended by itself (${reasonOf(exit)}); starting it again`);
      if (performance.now() - startedAt < pauseMs) await pause(stopped.signal);
      startedAt = performance.now();
      broker = await startAgain({ ...again, signal: stopped.signal }, note, broker);
    }
  })();
  return {
    ...{ url, nkey, port, version, storeDir },
    pid: () => broker.pid,
    async stop() {
      stopped.abort();
      await broker.stop();
      await keeping;
      // One that was just being started.
      await broker.stop();
    },
  };
}

/** Until it succeeds, with a line for each new reason why it did not; the one that has ended where it was told to stop meanwhile. */
async function startAgain(
  start: BrokerStart & { signal: AbortSignal },
  note: Note,
  ended: Broker,
): Promise<Broker> {
  let told: string | undefined;
  while (!start.signal.aborted) {
    try {
      return await startBroker(start);
    } catch (thrown) {
      if (start.signal.aborted) break;
      const { message } = OrderctlError.from(thrown);
      if (message !== told) note(message);
      told = message;
      await pause(start.signal);
    }
  }
  return ended;
}

const pause = (signal: AbortSignal): Promise<void> => delay(pauseMs, undefined, { signal }).catch(() => {});

const reasonOf = ({ code, signal }: BrokerExit): string => signal ?? `exit code ${code ?? "unknown"}`;
