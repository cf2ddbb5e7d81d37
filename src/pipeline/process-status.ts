import { randomUUID } from "node:crypto";
import { z } from "zod";
import { answer, askAll } from "../jetstream/ask.ts";
import type { Connection } from "../jetstream/connection.ts";

const schema = z.object({
  instance: z.string(),
  version: z.string(),
  services: z.array(z.string()),
  /** ISO. */
  startedAt: z.string(),
  uptimeMs: z.number(),
  stopping: z.boolean(),
  breakers: z.array(
    z.object({
      name: z.string(),
      state: z.enum(["closed", "half-open", "open"]),
      /** Whose calls it guards, and for how long it has let none but probes through; earlier versions do not say. */
      service: z.string().optional(),
      openForMs: z.number().nullish(),
    }),
  ),
  workers: z.array(
    z.object({
      consumer: z.string(),
      processed: z.number(),
      failed: z.number(),
      duplicates: z.number(),
      inFlight: z.number(),
    }),
  ),
  /** What keeps a worker from its work, and for how long by then; a process of an earlier version tells of none. */
  problems: z.array(z.object({ consumer: z.string(), text: z.string(), forMs: z.number() })).default([]),
  ordersUrl: z.string().nullable(),
  metricsUrl: z.string().nullable(),
  spansTo: z.string().nullable(),
});

/** What a process that runs services says of itself; counts are since its start. */
export type ProcessStatus = z.infer<typeof schema>;

/** Everybody who runs services listens here. */
const questions = "orderctl.status";
/** And answers below this: a subject of its own, because users may not write into each other's inboxes. */
const answers = "orderctl.answers";
const answersForm = /^orderctl\.answers\.[\w-]+$/;
/** A process that is busy, or far away, answers late. */
const leastQuietMs = 300;
const roundTrips = 4;

/** Tells whoever asks the broker how this process is, until it is stopped. */
export const announceProcess = (connection: Connection, status: () => ProcessStatus): { stop(): void } =>
  answer(connection, { subject: questions, replyTo: answersForm }, () => JSON.stringify(status()));

/**
 * How every process is that runs services on this broker, by name. Who answers 300 ms after the others, or four round
 * trips where those take longer, is not among them. Rejects with `denied` where this user may not ask.
 */
export async function readProcesses(connection: Connection, roundTripMs: number): Promise<ProcessStatus[]> {
  const quietMs = Math.max(leastQuietMs, roundTrips * roundTripMs);
  const replyTo = `${answers}.${randomUUID()}`;
  const said = await askAll(connection, { subject: questions, replyTo, quietMs });
  const known = said.map(statusIn).filter((status) => status !== undefined);
  return known.sort((a, b) => (a.instance < b.instance ? -1 : 1));
}

/** Undefined for what another program answers. */
function statusIn(text: string): ProcessStatus | undefined {
  try {
    return schema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
