import type { Span } from "./span.ts";

const mostReasons = 3;

/** Spans that cannot be taken: how many, and why the first few. Plain data, fit for JSON. */
export type UnreadableSpans = { spans: number; reasons: string[] };

export const allReadable: UnreadableSpans = { spans: 0, reasons: [] };

/** Spans from somewhere, and what could not be read of those that are there. */
export type SpanReading = { spans: Span[]; unreadable: UnreadableSpans };

/** Several readings as one, each span once. */
export function joinReadings(readings: readonly SpanReading[]): SpanReading {
  const faults = new SpanFaults();
  for (const { unreadable } of readings) faults.addAll(unreadable);
  const spans = distinctSpans(readings.flatMap((reading) => reading.spans));
  return { spans, unreadable: { spans: faults.spans, reasons: faults.reasons } };
}

/** Each span once, as an exporter that got no answer sends again; another span of the same id is another one. */
export function distinctSpans(spans: readonly Span[]): Span[] {
  const seen = new Map<string, Span | Set<string>>();
  return spans.filter((span) => {
    const id = idOf(span);
    const before = seen.get(id);
    if (before === undefined) {
      seen.set(id, span);
      return true;
    }
    const texts = before instanceof Set ? before : new Set([contentOf(before)]);
    const { size } = texts;
    seen.set(id, texts.add(contentOf(span)));
    return texts.size > size;
  });
}

/** All that a span says, equal for those that say the same. */
export const contentOf = (span: Span): string =>
  JSON.stringify(span, (_, value) => (typeof value === "bigint" ? String(value) : value));

/** Of a span, or of what a link points to. */
export const idOf = ({ traceId, spanId }: { traceId: string; spanId: string }): string => traceId + spanId;

/** Counts what is wrong with some of many spans; keeps the first three different reasons. */
export class SpanFaults implements UnreadableSpans {
  spans = 0;
  readonly reasons: string[] = [];

  /** One reason for a span, or for several that it costs. */
  add(reason: string, spans = 1): void {
    this.spans += spans;
    if (this.reasons.length < mostReasons && !this.reasons.includes(reason)) this.reasons.push(reason);
  }

  addAll({ spans, reasons }: UnreadableSpans): void {
    for (const reason of reasons) this.add(reason, 0);
    this.spans += spans;
  }

  /** All reasons in one line; empty where nothing is wrong. */
  get text(): string {
    const others = this.spans - this.reasons.length;
    return (
      this.reasons.join("; ") +
      (this.reasons.length === mostReasons && others > 0 ? `; and ${others} more` : "")
    );
  }
}
