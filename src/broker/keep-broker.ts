import { setTimeout as delay } from "node:timers/promises";
import { OrderctlError } from "../core/errors.ts";
import type { Note } from "../core/note.ts";
import { type Broker, type BrokerExit, type BrokerStart, startBroker } from "./start-broker.ts";

/** Pause after a failed start, and before a restart if the server ended sooner than this after its last start. */
const pauseMs = 1000;

/**
 * Starts a broker, or takes `running`, and starts it again whenever it ends by itself, until `stop` is called: on the
 * same port and store, so that its clients reconnect and find their data. Notes each unexpected end. Rejects as
 * `startBroker` if the first start fails.
 */
export async function keepBroker(
  start: BrokerStart,
  note: Note,
  running?: Broker,
): Promise<Omit<Broker, "kill" | "exited" | "pid"> & { pid(): number }> {
  let broker = running ?? (await startBroker(start));
  let startedAt = performance.now();
  const { url, nkey, port, version, storeDir } = broker;
  // The same port and the same login, so that connected clients can reconnect.
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
      // A restart that was under way may have put a new server into `broker`.
      await broker.stop();
    },
  };
}

/**
 * Tries until a start succeeds, and notes each new reason for a failure. Returns `ended` if the signal aborts before
 * that.
 */
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
