import { hostname } from "node:os";
import { isLoopback } from "../core/listening.ts";
import { answer, ask, inboxForm } from "../jetstream/client/ask.ts";
import type { Connection } from "../jetstream/client/connection.ts";

const subject = "orderctl.collector";
const patienceMs = 500;

/** The subject for this host; its name is made a valid token of a subject. */
const ownSubject = `${subject}.${hostname().replace(/[^A-Za-z0-9_-]/g, "-")}`;

/**
 * Answers requests for the address of a collector, made through the broker, until it is stopped: those of programs on
 * this host and, unless the collector listens only on loopback, of all other hosts.
 */
export function announceCollector(connection: Connection, endpoint: string): { stop(): void } {
  const said = JSON.stringify({ endpoint, host: hostname() });
  const subjects = isLoopback(new URL(endpoint).hostname) ? [ownSubject] : [ownSubject, subject];
  const answering = subjects.map((each) =>
    answer(connection, { subject: each, replyTo: inboxForm }, () => said),
  );
  return { stop: () => answering.forEach((each) => void each.stop()) };
}

/**
 * The address that spans can be sent to, `http://127.0.0.1:4318`: a collector on this host, else one that all hosts can
 * reach; undefined if there is none.
 */
export async function findCollector(connection: Connection): Promise<string | undefined> {
  // Ask both at the same time: if the subject belongs to another account, nats-server 2.9 does not report missing
  // responders, and each request then takes the full timeout.
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
