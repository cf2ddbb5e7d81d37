import type { IncomingMessage } from "node:http";
import { PassThrough } from "node:stream";
import { createGunzip } from "node:zlib";
import { OrderctlError, systemCode } from "../core/errors.ts";

export type BodyLimits = {
  gzip: boolean;
  /** Limit for the inflated body. */
  maxBytes: number;
  /** Called with the bytes of each inflated piece before it is kept; may throw. */
  take(bytes: number): void;
};

/**
 * The inflated body of a request. Rejects with `too_large`, with `bad_message` if the body is not gzip or ends too
 * early, and with whatever `take` throws; the rest of the body is then read and discarded, so that the sender gets the
 * answer.
 */
export async function readBody(request: IncomingMessage, limits: BodyLimits): Promise<Buffer> {
  const inflated = request.pipe(limits.gzip ? createGunzip() : new PassThrough());
  const abandon = () => {
    if (!request.complete) inflated.destroy(new OrderctlError("bad_message", "the sender went away"));
  };
  request.once("close", abandon);
  const pieces: Buffer[] = [];
  let size = 0;
  try {
    for await (const piece of inflated as AsyncIterable<Buffer>) {
      size += piece.length;
      if (size > limits.maxBytes) throw tooLarge(limits.maxBytes);
      limits.take(piece.length);
      pieces.push(piece);
    }
    return Buffer.concat(pieces, size);
  } catch (thrown) {
    throw systemCode(thrown)?.startsWith("Z_") ? notGzip(thrown) : thrown;
  } finally {
    request.off("close", abandon);
    request.unpipe(inflated);
    request.resume();
  }
}

const tooLarge = (maxBytes: number): OrderctlError =>
  new OrderctlError("too_large", `a body has at most ${maxBytes} bytes, inflated`);

const notGzip = (cause: unknown): OrderctlError =>
  new OrderctlError("bad_message", `not readable as gzip: ${(cause as Error).message}`, { cause });
