import { tooManyParts } from "../../core/check-json.ts";

/** What a message of OTLP has messages in, by field number (`proto/orderctl/otlp/v1/trace.proto`). */
type Shape = { [field: number]: Shape };

const anyValue: Shape = {};
const keyValue: Shape = { 2: anyValue };
anyValue[5] = { 1: anyValue };
anyValue[6] = { 1: keyValue };
const scope: Shape = { 3: keyValue };
const span: Shape = { 9: keyValue, 11: { 3: keyValue }, 13: { 4: keyValue }, 15: {} };
const request: Shape = { 1: { 1: { 1: keyValue }, 2: { 1: scope, 2: span } } };

const defaultMaxParts = 500_000;
/** Where a decoder gives up by itself. */
const maxDepth = 100;
const leastBytes = 2;
const lengthDelimited = 2;

/**
 * Throws `too_large` for an `ExportTraceServiceRequest` that has more than `maxParts` messages in it: one of two bytes becomes
 * hundreds in memory. What cannot be read is left to the decoder. Looks at nothing that is too small to have so many.
 */
export function checkParts(bytes: Buffer, maxParts = defaultMaxParts): void {
  if (bytes.length > leastBytes * maxParts) new Count(bytes, maxParts).take(request, bytes.length, 0);
}

class Count {
  readonly #bytes: Buffer;
  readonly #most: number;
  #at = 0;
  #parts = 0;

  constructor(bytes: Buffer, most: number) {
    this.#bytes = bytes;
    this.#most = most;
  }

  /** Ends where a message cannot be read: the decoder gives that one up as well, and takes those after it. */
  take(shape: Shape, end: number, depth: number): void {
    while (this.#at < end) {
      const tag = this.#varint();
      const size = this.#sizeOf(tag & 7);
      if (size === undefined || this.#at + size > end) return;
      const next = this.#at + size;
      const inner = (tag & 7) === lengthDelimited ? shape[tag >>> 3] : undefined;
      if (inner) this.#takeInner(inner, next, depth + 1);
      this.#at = next;
    }
  }

  #takeInner(shape: Shape, end: number, depth: number): void {
    this.#parts += 1;
    if (this.#parts > this.#most) throw tooManyParts(this.#most);
    if (depth <= maxDepth) this.take(shape, end, depth);
  }

  /** Of a field's content, in bytes from here; undefined for groups, which nothing uses any more. */
  #sizeOf(wireType: number): number | undefined {
    if (wireType === 0) {
      this.#varint();
      return 0;
    }
    if (wireType === 1) return 8;
    if (wireType === 5) return 4;
    return wireType === lengthDelimited ? this.#varint() : undefined;
  }

  /** Exact for tags and lengths; runs past the end where the bytes do. */
  #varint(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.#bytes[this.#at++] ?? 0;
      if (shift < 35) value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  }
}
