import { randomUUID } from "node:crypto";
import { z } from "zod";
import { answer, askAll } from "../jetstream/client/ask.ts";
import type { Connection } from "../jetstream/client/connection.ts";

/**
 * Any program with access to the subject can answer, so the schema bounds the length of every text, array and number.
 */
const text = z.string().max(500);
const longText = z.string().max(20_000);
const count = z.int().nonnegative();
const isoText = text.refine((time) => !Number.isNaN(Date.parse(time)));
/** About 300 years. */
const milliseconds = z.number().min(0).max(1e13);
const few = 200;

/** What is `null` is unknown until the archiver has looked at the log for the first time. */
const archive = z.object({
  /** The stream that it archives, and the URL of the store. */
  stream: text,
  store: longText,
  /** The last archived sequence, 0 where nothing is, and when that message was stored, Unix µs. */
  movedTo: count.nullable(),
  movedToUs: count.nullable(),
  /** The first sequence that the stream still holds. */
  firstSequence: count.nullable(),
  segments: count.nullable(),
  bytes: count.nullable(),
  /** Messages older than is kept that are not archived: those of a segment that is not whole yet among them. */
  behind: count.nullable(),
  /** For how long the next segment has been whole and old enough; 0 while it is not. */
  lagMs: milliseconds.nullable(),
  /** The consumer that keeps messages from being archived, the one at which it stands, and when that was stored. */
  heldBack: z.object({ consumer: text, since: isoText, sequence: count }).nullable(),
});

const schema = z.object({
  instance: text,
  version: text,
  services: z.array(text).max(few),
  /** ISO time. */
  startedAt: isoText,
  uptimeMs: milliseconds,
  stopping: z.boolean(),
  breakers: z
    .array(
      z.object({
        name: text,
        /** `unknown` stands for a state that only a later version has. */
        state: z.enum(["closed", "half-open", "open", "unknown"]).catch("unknown"),
        /**
         * The service whose calls the breaker guards, and for how long it has been open or half-open; earlier versions
         * send neither.
         */
        service: text.optional(),
        openForMs: milliseconds.nullish(),
      }),
    )
    .max(few),
  workers: z
    .array(z.object({ consumer: text, processed: count, failed: count, duplicates: count, inFlight: count }))
    .max(few),
  /**
   * What keeps a worker from working, and for how long at the time of the answer; earlier versions send no problems.
   */
  problems: z
    .array(z.object({ consumer: text, text: longText, forMs: milliseconds }))
    .max(few)
    .default([]),
  ordersUrl: text.nullable().default(null),
  metricsUrl: text.nullable().default(null),
  spansTo: text.nullable().default(null),
  /** `null` where the process archives nothing; earlier versions do not say. */
  archive: archive.nullable().default(null),
});

/** The status of a process that runs services; counts are since its start. */
export type ProcessStatus = z.infer<typeof schema>;

/** The subject on which every process that runs services listens. */
const questions = "orderctl.status";
/** The prefix of reply subjects. Not an inbox: users may not write into each other's inboxes. */
const answers = "orderctl.answers";
const answersForm = /^orderctl\.answers\.[\w-]+$/;
/** Leaves a busy or distant process time to answer. */
const leastQuietMs = 300;
const roundTrips = 4;

/** Answers status requests on the broker for this process until `stop` is called. */
export const announceProcess = (connection: Connection, status: () => ProcessStatus): { stop(): void } =>
  answer(connection, { subject: questions, replyTo: answersForm }, () => JSON.stringify(shortened(status())));

/** Cuts the problems to the limits of the schema, so that readers accept the answer. */
const shortened = (status: ProcessStatus): ProcessStatus => ({
  ...status,
  problems: status.problems
    .slice(0, few)
    .map((problem) => ({ ...problem, text: problem.text.slice(0, 20_000) })),
});

/**
 * `processes` is sorted by instance; `unreadable` counts answers that do not match the schema; `isCut` tells that more
 * answers came than are collected.
 */
export type Processes = { processes: ProcessStatus[]; unreadable: number; isCut: boolean };

/**
 * Asks every process that runs services on this broker for its status. Collecting ends once no answer has come for 300
 * ms (or four round trips, if longer), and at the latest after ten times that. Rejects with `denied` when this user may
 * not ask.
 */
export async function askProcesses(
  connection: Connection,
  { roundTripMs = 0, signal }: { roundTripMs?: number; signal?: AbortSignal } = {},
): Promise<Processes> {
  const quietMs = Math.max(leastQuietMs, roundTrips * roundTripMs);
  const replyTo = `${answers}.${randomUUID()}`;
  const { texts, refused, isCut } = await askAll(connection, {
    subject: questions,
    replyTo,
    quietMs,
    signal,
  });
  const processes = texts.map(statusIn).filter((status) => status !== undefined);
  processes.sort((a, b) => (a.instance < b.instance ? -1 : 1));
  return { processes, unreadable: refused + texts.length - processes.length, isCut };
}

/** The readable statuses alone. */
export const readProcesses = async (connection: Connection, signal?: AbortSignal): Promise<ProcessStatus[]> =>
  (await askProcesses(connection, signal ? { signal } : {})).processes;

/** Undefined for an answer that does not match the schema. */
function statusIn(said: string): ProcessStatus | undefined {
  try {
    return schema.safeParse(JSON.parse(said)).data;
  } catch {
    return undefined;
  }
}

/** A circuit breaker that keeps a service from working. `openForMs` counts until now. */
export type OpenBreaker = { name: string; openForMs: number };

/**
 * The breaker that a service waits for: every process that runs the service has one open, and this is the one that
 * opened last. Undefined when a process can work, when none runs, and when this user may not ask.
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
  // Each process answered at once; the elapsed time went into waiting for further answers.
  const openForMs = last.openForMs + performance.now() - askedAt;
  return { name: last.name, openForMs };
}
