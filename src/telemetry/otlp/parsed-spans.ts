import { OrderctlError } from "../../core/errors.ts";
import { SpanFaults } from "../tracing/span-reading.ts";
import { checkSpan } from "./check-span.ts";
import type { WireResourceSpans, WireScopeSpans, WireSpan } from "./wire.ts";

/** A span with the resource and the scope that it came with. */
export type Item = { resource: WireResourceSpans; scope: WireScopeSpans; span: WireSpan };

/**
 * With more faults than this, a request is taken as an attempt to keep the collector busy, and the rest of it is not
 * read.
 */
const mostFaults = 10_000;

/** The valid spans of a request, in their order, and the faults of the others. */
export class ParsedSpans {
  readonly items: Item[] = [];
  readonly faults = new SpanFaults();
  #refusals = 0;

  /** Adds a span; throws `bad_message` if it is invalid. */
  take(item: Item): void {
    checkSpan(item.span);
    this.items.push(item);
  }

  /** Records what is wrong with a part of the request, and how many spans are lost with it. */
  refuse(reason: string, spans = 1): void {
    this.#refusals += 1;
    this.faults.add(reason, spans);
  }

  /** Whether there are so many faults that the rest of the request is not worth reading. */
  get isHopeless(): boolean {
    return this.#refusals > mostFaults;
  }

  /** Whether nothing in the request could be a span and there is a reason why, or there are too many faults. */
  get isGarbage(): boolean {
    const isEmpty = this.items.length === 0 && this.faults.spans === 0 && this.faults.reasons.length > 0;
    return isEmpty || this.isHopeless;
  }
}

/** The message of an error, with its place in the request before it. */
export function faultAt(place: string, thrown: unknown): string {
  const { message } = OrderctlError.from(thrown);
  return `${place}${message.startsWith(":") ? "" : "."}${message}`;
}
