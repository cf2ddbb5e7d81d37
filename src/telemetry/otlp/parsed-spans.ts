import { OrderctlError } from "../../errors.ts";
import { SpanFaults } from "../span-reading.ts";
import { checkSpan } from "./check-span.ts";
import type { WireResourceSpans, WireScopeSpans, WireSpan } from "./wire.ts";

/** A span and what it came with. */
export type Item = { resource: WireResourceSpans; scope: WireScopeSpans; span: WireSpan };

/** The spans of a request that can be taken, in their order, and what is wrong with the others. */
export class ParsedSpans {
  readonly items: Item[] = [];
  readonly faults = new SpanFaults();

  /** Throws `bad_message` for a span that cannot be taken. */
  take(item: Item): void {
    checkSpan(item.span);
    this.items.push(item);
  }

  /** Whether nothing was found that could be a span, but a reason why. */
  get isGarbage(): boolean {
    return this.items.length === 0 && this.faults.spans === 0 && this.faults.reasons.length > 0;
  }
}

/** What is wrong with a part of a request, with its place. */
export function faultAt(place: string, thrown: unknown): string {
  const { message } = OrderctlError.from(thrown);
  return `${place}${message.startsWith(":") ? "" : "."}${message}`;
}
