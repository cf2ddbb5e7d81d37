import { OTLPTraceExporter as JsonExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { OTLPTraceExporter as ProtobufExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { BatchSpanProcessor, type ReadableSpan, type SpanExporter } from "@opentelemetry/sdk-trace";
import type { Note } from "../../core/note.ts";
import { positiveSetting } from "../positive-setting.ts";

type Environment = NodeJS.ProcessEnv;

/** The callback of an exporter; a result with code 0 is success. */
type Done = Parameters<SpanExporter["export"]>[1];

/** The protocols of OTLP over HTTP, by their names in `OTEL_EXPORTER_OTLP_PROTOCOL`. */
const exporters = { "http/json": JsonExporter, "http/protobuf": ProtobufExporter } as const;

export type HttpProtocol = keyof typeof exporters;

export const isHttpProtocol = (name: string): name is HttpProtocol => Object.hasOwn(exporters, name);

type Destination = {
  protocol: HttpProtocol;
  /** The URL for traces if the environment names no endpoint; undefined leaves it to the exporter. */
  url: string | undefined;
};

/**
 * Sends spans in batches over OTLP/HTTP. At most 8,192 spans wait (`OTEL_BSP_MAX_QUEUE_SIZE`), so an endpoint that does
 * not answer costs bounded memory and no time. Spans that do not fit are dropped; `shutdown` notes how many were lost.
 */
export function createSpanProcessor(
  env: Environment,
  { protocol, url }: Destination,
  note: Note,
): BatchSpanProcessor {
  const queue = positiveSetting(env.OTEL_BSP_MAX_QUEUE_SIZE, 8192);
  const batch = Math.min(queue, positiveSetting(env.OTEL_BSP_MAX_EXPORT_BATCH_SIZE, 1024));
  const exporter = new exporters[protocol]({
    ...(url === undefined ? {} : { url }),
    // A flush sends all batches at once, and the exporter refuses batches above its concurrency limit.
    concurrencyLimit: Math.ceil(queue / batch) + 2,
  });
  const noting = new NotingExporter(exporter, note);
  return new CountingProcessor(noting, {
    exporter: noting,
    maxQueueSize: queue,
    maxExportBatchSize: batch,
    scheduledDelayMillis: positiveSetting(env.OTEL_BSP_SCHEDULE_DELAY, 1000),
    exportTimeoutMillis: positiveSetting(env.OTEL_BSP_EXPORT_TIMEOUT, 30_000),
  });
}

type BatchSettings = ConstructorParameters<typeof BatchSpanProcessor>[0];

/** Counts the spans that should be sent, because the batch processor drops spans silently when its queue is full. */
class CountingProcessor extends BatchSpanProcessor {
  readonly #exporter: NotingExporter;
  #ended = 0;

  constructor(exporter: NotingExporter, settings: BatchSettings) {
    super(settings);
    this.#exporter = exporter;
  }

  override onEnd(span: ReadableSpan): void {
    this.#ended += 1;
    super.onEnd(span);
  }

  override async shutdown(): Promise<void> {
    try {
      await super.shutdown();
    } finally {
      this.#exporter.tellLosses(this.#ended);
    }
  }
}

/** Notes when spans cannot be sent, when they can be sent again, and how many were lost in all. */
class NotingExporter implements SpanExporter {
  readonly #exporter: SpanExporter;
  readonly #note: Note;
  #failing = false;
  #sent = 0;

  constructor(exporter: SpanExporter, note: Note) {
    this.#exporter = exporter;
    this.#note = note;
  }

  export(spans: ReadableSpan[], done: Done): void {
    this.#exporter.export(spans, (result) => {
      if (result.code === 0) this.#onSuccess(spans.length);
      else this.#onFailure(result.error);
      done(result);
    });
  }

  #onSuccess(count: number): void {
    this.#sent += count;
    if (this.#failing) this.#note("spans are sent again; some are lost", {}, "info");
    this.#failing = false;
  }

  #onFailure(error: Error | undefined): void {
    if (!this.#failing) {
      this.#note(
        `spans cannot be sent (${reasonOf(error)}); the work goes on, they are dropped until it can`,
      );
    }
    this.#failing = true;
  }

  /** `ended`: how many spans were handed to the processor. */
  tellLosses(ended: number): void {
    const lost = ended - this.#sent;
    if (lost > 0) this.#note(`${lost} of ${ended} spans were lost`);
  }

  forceFlush(): Promise<void> {
    return this.#exporter.forceFlush?.() ?? Promise.resolve();
  }

  shutdown(): Promise<void> {
    return this.#exporter.shutdown();
  }
}

/** A connection error for several addresses may have no message, only a `code`. */
function reasonOf(error: Error | undefined): string {
  const code = error && "code" in error ? String(error.code) : undefined;
  return error?.message || code || "no answer";
}
