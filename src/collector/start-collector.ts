import { hostname } from "node:os";
import { announceCollector } from "../cli/collector-address.ts";
import type { OrderctlError } from "../core/errors.ts";
import type { Listening, Place } from "../core/listening.ts";
import { SparseNotes } from "../core/sparse-notes.ts";
import type { Connection } from "../jetstream/client/connection.ts";
import { applyTopology, readMaxMessageBytes } from "../jetstream/streams/apply-topology.ts";
import { driftText } from "../jetstream/streams/settings-drift.ts";
import type { SpanFaults } from "../telemetry/tracing/span-reading.ts";
import { ByteBudget } from "./byte-budget.ts";
import type { ReceivedCounts, Reception } from "./receive-spans.ts";
import { SpanStore, type StoredCounts } from "./span-store.ts";
import { type TraceLimits, traceDefaults, tracesStream, traceTopology } from "./traces-stream.ts";

export type CollectorOptions = Partial<TraceLimits> &
  Place & {
    note(text: string): void;
    maxBodyBytes?: number;
    /**
     * Limit for the bytes of all requests whose spans are not stored yet; above it, senders are told to try again
     * later.
     */
    maxWaitingBytes?: number;
    patienceMs?: number;
  };

export type Collector = {
  /** The base URL without `/v1/traces`, as `OTEL_EXPORTER_OTLP_ENDPOINT` takes it. */
  url: string;
  counts(): StoredCounts & ReceivedCounts;
  /** Finishes the requests under way, for at most `deadlineMs`. */
  stop(deadlineMs: number): Promise<void>;
};

/**
 * Receives spans over OTLP/HTTP and stores them in the stream TRACES, which it creates if missing; programs that ask
 * for a collector through the broker get its address. Rejects with `conflict` if the port is taken.
 */
export async function startCollector(connection: Connection, options: CollectorOptions): Promise<Collector> {
  const { host, port, allowedHosts, flag = "--port", note } = options;
  const limits = { ...traceDefaults, ...options };
  for (const drift of await applyTopology(connection, traceTopology(limits))) note(driftText(drift));
  // A user who may not read the stream's settings fails here, before any span is accepted.
  const store = new SpanStore(connection, await readMaxMessageBytes(connection, tracesStream));
  const notes = new SparseNotes(note);
  const timer = setInterval(() => notes.flush(), 1000).unref();
  const onRefused = ({ code, message }: OrderctlError) => {
    notes.add(`spans are refused: ${message}`);
    // The stream was deleted: create it again, since the sender sends the refused spans again.
    if (code === "no_responders") applyTopology(connection, traceTopology(limits)).catch(() => {});
  };
  // Most exporters do not report a partial success, so the collector notes it.
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

/**
 * While the collector stops, how long the broker has to store the spans that senders still wait for. After that a
 * sender gets 503 and sends them again, to another collector or later.
 */
const lastAnswersMs = 1500;

/**
 * Stops the receiver, then the store. Only requests without an answer can still wait for the broker: spans answered
 * with 200 are stored.
 */
async function stopWithin(deadlineMs: number, receiver: Listening, store: SpanStore): Promise<void> {
  const waitMs = store.isReady ? Math.min(lastAnswersMs, deadlineMs) : 0;
  const timer = setTimeout(() => store.close(), waitMs);
  await receiver.stop(deadlineMs);
  clearTimeout(timer);
  store.close();
}

/** Replaces a wildcard address (`0.0.0.0`, `[::]`) by this host's name, which other hosts can connect to. */
const reachable = (url: string): string => url.replace(/\/\/(0\.0\.0\.0|\[::\]):/, `//${hostname()}:`);
