import type { Connection } from "../jetstream/client/connection.ts";
import { readProcesses } from "./process-status.ts";

/** A circuit breaker that keeps a service from its work. `openForMs` is until now. */
export type OpenBreaker = { name: string; openForMs: number };

/**
 * The breaker for which a service waits: open in every process that runs the service, and of those the one that opened last.
 * Undefined where a process can work, where none runs, and where this user may not ask.
 */
export async function findOpenBreaker(
  connection: Connection,
  service: string,
): Promise<OpenBreaker | undefined> {
  const askedAt = performance.now();
  const processes = await readProcesses(connection).catch(() => []);
  const open = processes
    .filter(({ services, stopping }) => services.includes(service) && !stopping)
    .map(({ breakers }) =>
      breakers.find((breaker) => breaker.service === service && breaker.state !== "closed"),
    );
  const waits = open.map((breaker) => ({ name: breaker?.name, openForMs: breaker?.openForMs }));
  const [last] = waits.sort((a, b) => (a.openForMs ?? 0) - (b.openForMs ?? 0));
  if (last?.name === undefined || last.openForMs == null) return undefined;
  // They answered at once; what took its time is to wait for others.
  const openForMs = last.openForMs + performance.now() - askedAt;
  return { name: last.name, openForMs };
}
