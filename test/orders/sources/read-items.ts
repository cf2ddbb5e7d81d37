import { Readable } from "node:stream";
import type { OrderCreated } from "../../../src/orders/events.ts";
import type { SourceItem } from "../../../src/orders/sources/source-item.ts";
import type { Reject } from "../../../src/publish/files/reject.ts";

/** The text as a stream of pieces of `size` bytes. */
export function inPieces(text: string | Buffer, size = 1 << 16): Readable {
  const bytes = Buffer.from(text as string);
  const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
    bytes.subarray(index * size, (index + 1) * size),
  );
  return Readable.from(pieces);
}

/** All that a source yields, orders and rejects apart. */
export async function readAll(items: AsyncIterable<SourceItem>) {
  const orders: { order: OrderCreated; row: number }[] = [];
  const rejects: Reject[] = [];
  for await (const item of items) {
    if ("order" in item) orders.push(item);
    else rejects.push(item.reject);
  }
  return { orders, rejects };
}
