import { OrderctlError } from "../../core/errors.ts";
import { SpanFaults } from "../tracing/span-reading.ts";
import { checkSpan } from "./check-span.ts";
import type { WireResourceSpans, WireScopeSpans, WireSpan } from "./wire.ts";

/** A span and what it came with. */
export type Item = { resource: WireResourceSpans; scope: WireScopeSpans; span: WireSpan };

/** Nobody sends so much that cannot be taken, but who wants to keep us busy. */
const mostFaults = 10_000;

/** The spans of a request that can be taken, in their order, and what is wrong with the others. */
export class ParsedSpans {
  readonly items: Item[] = [];
  readonly faults = new SpanFaults();
  #refusals = 0;

  /** Throws `bad_message` for a span that cannot be taken. */
  take(item: Item): void {
    checkSpan(item.span);
    this.items.push(item);
  }

  /** Notes what is wrong with a part, and how many spans that costs. */
  refuse(reason: string, spans = 1): void {
    this.#refusals += 1;
    this.faults.add(reason, spans);
  }

  /** Whether so much is wrong that nobody needs to look at the rest. */
  get isHopeless(): boolean {
    return this.#refusals > mostFaults;
  }

  /** Whether nothing was found that could be a span, but a reason why, or too many reasons. */
  get isGarbage(): boolean {
    const isEmpty = this.items.length === 0 && this.faults.spans === 0 && this.faults.reasons.length > 0;
    return isEmpty || this.isHopeless;
  }
}

/** What is wrong with a part of a request, with its place. */
export function faultAt(place: string, thrown: unknown): string {
  const { message } = OrderctlError.from(thrown);
  return `${place}${message.startsWith(":") ? "" : "."}${message}`;
}
