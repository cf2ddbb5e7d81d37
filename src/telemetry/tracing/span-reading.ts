import type { Span } from "./span.ts";

const mostReasons = 3;

/** How many spans could not be read, and why for the first few. Plain data, fit for JSON. */
export type UnreadableSpans = { spans: number; reasons: string[] };

export const allReadable: UnreadableSpans = { spans: 0, reasons: [] };

/** The spans read from a source, and which of its spans could not be read. */
export type SpanReading = { spans: Span[]; unreadable: UnreadableSpans };

/** Joins several readings into one, with each span once. */
export function joinReadings(readings: readonly SpanReading[]): SpanReading {
  const faults = new SpanFaults();
  for (const { unreadable } of readings) faults.addAll(unreadable);
  const spans = distinctSpans(readings.flatMap((reading) => reading.spans));
  return { spans, unreadable: { spans: faults.spans, reasons: faults.reasons } };
}

/**
 * Removes repeated spans: an exporter that got no answer sends its spans again. Spans with one id but different content
 * all stay.
 */
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

/** The whole content of a span as text, equal for equal spans. */
export const contentOf = (span: Span): string =>
  JSON.stringify(span, (_, value) => (typeof value === "bigint" ? String(value) : value));

/** A key for a span, or for the span that a link points to. */
export const idOf = ({ traceId, spanId }: { traceId: string; spanId: string }): string => traceId + spanId;

/** Counts faulty spans and keeps the first three different reasons. */
export class SpanFaults implements UnreadableSpans {
  spans = 0;
  readonly reasons: string[] = [];

  /** Adds one reason, and how many spans are lost for it. */
  add(reason: string, spans = 1): void {
    this.spans += spans;
    if (this.reasons.length < mostReasons && !this.reasons.includes(reason)) this.reasons.push(reason);
  }

  addAll({ spans, reasons }: UnreadableSpans): void {
    for (const reason of reasons) this.add(reason, 0);
    this.spans += spans;
  }

  /** All reasons in one line; empty if there are none. */
  get text(): string {
    const others = this.spans - this.reasons.length;
    return (
      this.reasons.join("; ") +
      (this.reasons.length === mostReasons && others > 0 ? `; and ${others} more` : "")
    );
  }
}
