import { randomUUID } from "node:crypto";
import { z } from "zod";
import { answer, askAll } from "../jetstream/client/ask.ts";
import type { Connection } from "../jetstream/client/connection.ts";

/** Whoever may answer may say anything: what no process of ours would say is not believed. */
const text = z.string().max(500);
const longText = z.string().max(20_000);
const count = z.int().nonnegative();
/** 300 years. */
const milliseconds = z.number().min(0).max(1e13);
const few = 200;

const schema = z.object({
  instance: text,
  version: text,
  services: z.array(text).max(few),
  /** ISO. */
  startedAt: text.refine((time) => !Number.isNaN(Date.parse(time))),
  uptimeMs: milliseconds,
  stopping: z.boolean(),
  breakers: z
    .array(
      z.object({
        name: text,
        /** `unknown` is one that a later version has. */
        state: z.enum(["closed", "half-open", "open", "unknown"]).catch("unknown"),
        /** Whose calls it guards, and for how long it has let none but probes through; earlier versions do not say. */
        service: text.optional(),
        openForMs: milliseconds.nullish(),
      }),
    )
    .max(few),
  workers: z
    .array(z.object({ consumer: text, processed: count, failed: count, duplicates: count, inFlight: count }))
    .max(few),
  /** What keeps a worker from its work, and for how long by then; a process of an earlier version tells of none. */
  problems: z
    .array(z.object({ consumer: text, text: longText, forMs: milliseconds }))
    .max(few)
    .default([]),
  ordersUrl: text.nullable().default(null),
  metricsUrl: text.nullable().default(null),
  spansTo: text.nullable().default(null),
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
  answer(connection, { subject: questions, replyTo: answersForm }, () => JSON.stringify(shortened(status())));

/** As much as is believed. */
const shortened = (status: ProcessStatus): ProcessStatus => ({
  ...status,
  problems: status.problems
    .slice(0, few)
    .map((problem) => ({ ...problem, text: problem.text.slice(0, 20_000) })),
});

/** By name; `unreadable` is how many answered what no process says, `isCut` that there were more answers than are waited for. */
export type Processes = { processes: ProcessStatus[]; unreadable: number; isCut: boolean };

/**
 * How every process is that runs services on this broker. Who answers 300 ms after the others, or four round trips where
 * those take longer, is not among them; ten times that is the end. Rejects with `denied` where this user may not ask.
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

/** Those of them that can be read. */
export const readProcesses = async (connection: Connection, signal?: AbortSignal): Promise<ProcessStatus[]> =>
  (await askProcesses(connection, signal ? { signal } : {})).processes;

/** Undefined for what another program answers. */
function statusIn(said: string): ProcessStatus | undefined {
  try {
    return schema.safeParse(JSON.parse(said)).data;
  } catch {
    return undefined;
  }
}

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
