import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { BatchSpanProcessor, type ReadableSpan, type SpanExporter } from "@opentelemetry/sdk-trace";

import type { Note } from "../note.ts";

type Environment = NodeJS.ProcessEnv;

/** What an exporter calls back with; code 0 is success. */
type Done = Parameters<SpanExporter["export"]>[1];

/**
 * Sends spans in batches, OTLP/HTTP with JSON. At most 16,384 wait (`OTEL_BSP_MAX_QUEUE_SIZE`), so an endpoint that
 * does not answer costs bounded memory and no time; what does not fit is dropped.
 */
export function createSpanProcessor(
  env: Environment,
  url: string | undefined,
  note: Note,
): BatchSpanProcessor {
  const queue = positive(env.OTEL_BSP_MAX_QUEUE_SIZE, 16_384);
  const batch = Math.min(queue, positive(env.OTEL_BSP_MAX_EXPORT_BATCH_SIZE, 1024));
  const exporter = new OTLPTraceExporter({
    ...(url === undefined ? {} : { url }),
    // A flush sends all batches at once, and an exporter refuses what is above its limit.
    concurrencyLimit: Math.ceil(queue / batch) + 2,
  });
  return new BatchSpanProcessor({
    exporter: new NotingExporter(exporter, note),
    maxQueueSize: queue,
    maxExportBatchSize: batch,
    scheduledDelayMillis: positive(env.OTEL_BSP_SCHEDULE_DELAY, 1000),
    exportTimeoutMillis: positive(env.OTEL_BSP_EXPORT_TIMEOUT, 30_000),
  });
}

/** A variable that is no positive number is ignored, as the specification asks. */
function positive(text: string | undefined, otherwise: number): number {
  const value = Number(text);
  return Number.isInteger(value) && value > 0 ? value : otherwise;
}

/** One line when spans cannot be sent, one when they can again; whoever waits for spans learns why. */
class NotingExporter implements SpanExporter {
  readonly #exporter: SpanExporter;
  readonly #note: Note;
  #lost = 0;

  constructor(exporter: SpanExporter, note: Note) {
    this.#exporter = exporter;
    this.#note = note;
  }

  export(spans: ReadableSpan[], done: Done): void {
    this.#exporter.export(spans, (result) => {
      if (result.code === 0) this.#onSuccess();
      else this.#onFailure(spans.length, result.error);
      done(result);
    });
  }

  #onSuccess(): void {
    if (this.#lost > 0) this.#note(`spans are sent again; ${this.#lost} were lost`, {}, "info");
    this.#lost = 0;
  }

  #onFailure(count: number, error: Error | undefined): void {
    if (this.#lost === 0) {
      this.#note(
        `spans cannot be sent (${reasonOf(error)}); the work goes on, they are dropped until it can`,
      );
    }
    this.#lost += count;
  }

  forceFlush(): Promise<void> {
    return this.#exporter.forceFlush?.() ?? Promise.resolve();
  }

  shutdown(): Promise<void> {
    return this.#exporter.shutdown();
  }
}

/** Some errors of several addresses have their message in `code` alone. */
function reasonOf(error: Error | undefined): string {
  const code = error && "code" in error ? String(error.code) : undefined;
  return error?.message || code || "no answer";
}
