import { randomUUID } from "node:crypto";
import { answer, askAll } from "../jetstream/ask.ts";
import type { Connection } from "../jetstream/connection.ts";
import type { WorkerCounts } from "../jetstream/worker-options.ts";

/** What a process that runs services says of itself; counts are since its start. */
export type ProcessStatus = {
  instance: string;
  version: string;
  services: string[];
  /** ISO. */
  startedAt: string;
  stopping: boolean;
  breakers: { name: string; state: "closed" | "half-open" | "open" }[];
  workers: ({ consumer: string } & WorkerCounts)[];
  ordersUrl: string | null;
  metricsUrl: string | null;
  spansTo: string | null;
};

/** Everybody who runs services listens here. */
const questions = "orderctl.status";
/** And answers below this: a subject of its own, because users may not write into each other's inboxes. */
const answers = "orderctl.answers";
const quietMs = 300;

/** Tells whoever asks the broker how this process is, until it is stopped. */
export const announceProcess = (connection: Connection, status: () => ProcessStatus): { stop(): void } =>
  answer(connection, questions, () => JSON.stringify(status()));

/** How every process is that runs services on this broker, by name; those that do not answer are not there. */
export async function readProcesses(connection: Connection): Promise<ProcessStatus[]> {
  const replyTo = `${answers}.${randomUUID()}`;
  const said = await askAll(connection, { subject: questions, replyTo, quietMs });
  const known = said.map(statusIn).filter((status) => status !== undefined);
  return known.sort((a, b) => (a.instance < b.instance ? -1 : 1));
}

/** Undefined for what another program answers. */
function statusIn(text: string): ProcessStatus | undefined {
  try {
    const status = JSON.parse(text);
    const lists = [status.services, status.breakers, status.workers];
    return typeof status.instance === "string" && lists.every(Array.isArray) ? status : undefined;
  } catch {
    return undefined;
  }
}
