import { hostname } from "node:os";
import { isLoopback } from "../core/listening.ts";
import { answer, ask, inboxForm } from "../jetstream/client/ask.ts";
import type { Connection } from "../jetstream/client/connection.ts";

const subject = "orderctl.collector";
const patienceMs = 500;

/** A host name as a token of a subject. */
const ownSubject = `${subject}.${hostname().replace(/[^A-Za-z0-9_-]/g, "-")}`;

/**
 * Tells whoever asks the broker where a collector is, until it is stopped: programs on this host, and on every other
 * where it can be reached from there.
 */
export function announceCollector(connection: Connection, endpoint: string): { stop(): void } {
  const said = JSON.stringify({ endpoint, host: hostname() });
  const subjects = isLoopback(new URL(endpoint).hostname) ? [ownSubject] : [ownSubject, subject];
  const answering = subjects.map((each) =>
    answer(connection, { subject: each, replyTo: inboxForm }, () => said),
  );
  return { stop: () => answering.forEach((each) => void each.stop()) };
}

/** Where spans can be sent to, `http://127.0.0.1:4318`: a collector of this host, or one that all can reach. */
export async function findCollector(connection: Connection): Promise<string | undefined> {
  // At once: where nobody listens in another account, nats-server 2.9 does not say so, and each is waited for.
  const anywhere = ask(connection, subject, patienceMs);
  const said = (await ask(connection, ownSubject, patienceMs)) ?? (await anywhere);
  return said === undefined ? undefined : endpointOf(said);
}

function endpointOf(said: string): string | undefined {
  try {
    const { endpoint } = JSON.parse(said);
    return /^https?:$/.test(new URL(endpoint).protocol) ? String(endpoint) : undefined;
  } catch {
    return undefined;
  }
}
