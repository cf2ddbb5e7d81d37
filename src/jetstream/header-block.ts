import type { MsgHdrs } from "nats";
import type { MsgImpl } from "nats/lib/nats-base-client/msg.js";

const firstLine = "NATS/1.0\r\n";

/**
 * One header of a message, read from the raw block: the client's own parser splits and normalises all of them,
 * at ten times the cost. Names are compared exactly. Hot path: ~0.3 µs.
 */
export function readHeader({ _msg: { hdr }, _rdata }: MsgImpl, name: string): string | undefined {
  if (hdr <= 0) return undefined;
  const block = Buffer.from(_rdata.buffer, _rdata.byteOffset, hdr).toString("utf8");
  const start = block.indexOf(`\r\n${name}:`);
  if (start < 0) return undefined;
  const from = start + name.length + 3;
  return block.slice(from, block.indexOf("\r\n", from)).trim();
}

/**
 * Headers in the form that the client sends, encoded in one go. Values have no line breaks: they come from headers
 * or are ours. Hot path: ~0.5 µs.
 */
export function encodeHeaders(headers: Readonly<Record<string, string>>): MsgHdrs {
  let block = firstLine;
  for (const name in headers) block += `${name}: ${headers[name]}\r\n`;
  const bytes = Buffer.from(`${block}\r\n`, "utf8");
  // Of all its methods the client calls only this one when it publishes.
  return { encode: () => bytes } as unknown as MsgHdrs;
}
