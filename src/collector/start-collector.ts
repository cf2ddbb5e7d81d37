import { hostname } from "node:os";
import { announceCollector } from "../cli/collector-address.ts";
import type { OrderctlError } from "../core/errors.ts";
import type { Listening, Place } from "../core/listening.ts";
import { SparseNotes } from "../core/sparse-notes.ts";
import type { Connection } from "../jetstream/client/connection.ts";
import { driftText } from "../jetstream/streams/settings-drift.ts";
import { applyTopology, readMaxMessageBytes } from "../jetstream/streams/topology.ts";
import type { SpanFaults } from "../telemetry/tracing/span-reading.ts";
import { ByteBudget } from "./byte-budget.ts";
import type { ReceivedCounts, Reception } from "./receive-spans.ts";
import { SpanStore, type StoredCounts } from "./span-store.ts";
import { type TraceLimits, traceDefaults, tracesStream, traceTopology } from "./topology.ts";

export type CollectorOptions = Partial<TraceLimits> &
  Place & {
    note(text: string): void;
    maxBodyBytes?: number;
    /** Bytes of all requests whose spans are not stored yet; above it, senders are told to come again. */
    maxWaitingBytes?: number;
    patienceMs?: number;
  };

export type Collector = {
  /** Without `/v1/traces`: what `OTEL_EXPORTER_OTLP_ENDPOINT` takes. */
  url: string;
  counts(): StoredCounts & ReceivedCounts;
  /** Finishes the requests under way, for as long as `deadlineMs`. */
  stop(deadlineMs: number): Promise<void>;
};

/**
 * Receives spans over OTLP/HTTP and stores them in the stream TRACES, which it creates where it is missing; programs
 * that ask the broker are told where it is. Rejects with `conflict` where the port is taken.
 */
export async function startCollector(connection: Connection, options: CollectorOptions): Promise<Collector> {
  const { host, port, allowedHosts, flag = "--port", note } = options;
  const limits = { ...traceDefaults, ...options };
  for (const drift of await applyTopology(connection, traceTopology(limits))) note(driftText(drift));
  // Whoever may not even look at the stream stores nothing in it.
  const store = new SpanStore(connection, await readMaxMessageBytes(connection, tracesStream));
  const notes = new SparseNotes(note);
  const timer = setInterval(() => notes.flush(), 1000).unref();
  const onRefused = ({ code, message }: OrderctlError) => {
    notes.add(`spans are refused: ${message}`);
    // Whoever deleted the stream did not mean to end the collecting: the sender comes again.
    if (code === "no_responders") applyTopology(connection, traceTopology(limits)).catch(() => {});
  };
  // Most exporters say nothing of a partial success.
  const onRejected = ({ text }: SpanFaults) => notes.add(`spans are rejected: ${text}`);
  const reception = createReception(store, { ...options, onRefused, onRejected });
  // fastify is loaded only where spans are received.
  const { openReceiver } = await import("./otlp-receiver.ts");
  const receiver = await openReceiver({ host, port, allowedHosts, flag, reception }).catch((thrown) => {
    store.close();
    throw thrown;
  });
  const announcement = announceCollector(connection, reachable(receiver.url));
  return {
    url: receiver.url,
    counts: () => ({ ...store.counts, ...reception.counts }),
    async stop(deadlineMs) {
      announcement.stop();
      await stopWithin(deadlineMs, receiver, store);
      clearInterval(timer);
      notes.flush();
    },
  };
}

const mebibyte = 1024 ** 2;

function createReception(
  store: SpanStore,
  options: CollectorOptions & Pick<Reception, "onRefused" | "onRejected">,
): Reception {
  const { maxBodyBytes = 16 * mebibyte, maxWaitingBytes = 64 * mebibyte, patienceMs = 5000 } = options;
  return {
    onRefused: options.onRefused,
    onRejected: options.onRejected,
    store,
    budget: new ByteBudget(maxWaitingBytes),
    counts: { rejected: 0, refused: 0 },
    maxBodyBytes,
    patienceMs,
  };
}

/** How long the broker has to store what senders wait for; who is told 503 then sends it again, elsewhere or later. */
const lastAnswersMs = 1500;

/** Nobody waits for spans whose request is answered: what was answered with 200 is stored. */
async function stopWithin(deadlineMs: number, receiver: Listening, store: SpanStore): Promise<void> {
  const waitMs = store.isReady ? Math.min(lastAnswersMs, deadlineMs) : 0;
  const timer = setTimeout(() => store.close(), waitMs);
  await receiver.stop(deadlineMs);
  clearTimeout(timer);
  store.close();
}

/** Every address of this host, as others can call it. */
const reachable = (url: string): string => url.replace(/\/\/(0\.0\.0\.0|\[::\]):/, `//${hostname()}:`);
