import { tooManyParts } from "../../core/check-json.ts";

/** The fields of an OTLP message that hold messages, by field number (`proto/orderctl/otlp/v1/trace.proto`). */
type Shape = { [field: number]: Shape };

const anyValue: Shape = {};
const keyValue: Shape = { 2: anyValue };
anyValue[5] = { 1: anyValue };
anyValue[6] = { 1: keyValue };
const scope: Shape = { 3: keyValue };
const span: Shape = { 9: keyValue, 11: { 3: keyValue }, 13: { 4: keyValue }, 15: {} };
const request: Shape = { 1: { 1: { 1: keyValue }, 2: { 1: scope, 2: span } } };

const defaultMaxParts = 500_000;
/** The nesting depth at which the decoder itself gives up. */
const maxDepth = 100;
const leastBytes = 2;
const lengthDelimited = 2;

/**
 * Throws `too_large` for an `ExportTraceServiceRequest` that contains more than `maxParts` messages: a message of two
 * bytes takes hundreds of bytes once decoded. Bytes that cannot be read are left to the decoder. A body that is too
 * small for so many messages is not scanned.
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

  /**
   * Stops at the first field of a message that cannot be read: the decoder gives that message up as well, and continues
   * with those after it.
   */
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

  /** How many more bytes a field's content has; undefined for groups, a deprecated wire type. */
  #sizeOf(wireType: number): number | undefined {
    if (wireType === 0) {
      this.#varint();
      return 0;
    }
    if (wireType === 1) return 8;
    if (wireType === 5) return 4;
    return wireType === lengthDelimited ? this.#varint() : undefined;
  }

  /** Exact for tags and lengths. At the end of the bytes it reads a zero and moves past the end. */
  #varint(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.#bytes[this.#at++] ?? 0;
      if (shift < 35) value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  }
}
