import type { Msg } from "nats";
import { innerMessage } from "./internals.ts";

/**
 * Reads the parts of a message from its bytes. The client's getters decode whole subjects as UTF-8 and split every
 * header; at some ten messages an order that is a fifth of a worker's time. Hot path: ~0.2 µs each.
 */

/** The subject from an offset on. Subjects of JetStream's own and of ours are ASCII. */
export const subjectFrom = (message: Msg, offset: number): string =>
  latin1(innerMessage(message)._msg.subject, offset);

/** The body as text, for answers that are ASCII. */
export function bodyText(message: Msg): string {
  const { _msg, _rdata } = innerMessage(message);
  return latin1(_rdata, Math.max(0, _msg.hdr));
}

/** The subject to answer to, as the bytes that came. */
export const replyBytes = (message: Msg): Uint8Array => innerMessage(message)._msg.reply ?? new Uint8Array();

/** The header block as it came; empty where there is none. */
export function headerBlock(message: Msg): string {
  const { _msg, _rdata } = innerMessage(message);
  return _msg.hdr > 0 ? asBuffer(_rdata).toString("utf8", 0, _msg.hdr) : "";
}

/** One header of a block; names are compared exactly. */
export function headerIn(block: string, name: string): string | undefined {
  let beginning = beginnings.get(name);
  if (beginning === undefined) {
    beginning = `\r\n${name}:`;
    beginnings.set(name, beginning);
  }
  const start = block.indexOf(beginning);
  if (start < 0) return undefined;
  const from = start + beginning.length;
  return block.slice(from, block.indexOf("\r\n", from)).trim();
}

/**
 * The headers of a block to write another with: under the name that `rename` gives them, undefined for those to be left out; repeated
 * ones are joined, and control characters, which could end a line, become `?`.
 */
export function copyHeaders(
  block: string,
  rename: (name: string) => string | undefined,
): Record<string, string> {
  // Names are others' choice, `__proto__` as well.
  const copied = new Map<string, string>();
  for (const line of block.split("\r\n").slice(1)) {
    const colon = line.indexOf(":");
    const name = colon < 1 ? undefined : rename(line.slice(0, colon));
    if (name === undefined) continue;
    const value = line
      .slice(colon + 1)
      .replace(/\p{Cc}/gu, "?")
      .trim();
    const before = copied.get(name);
    copied.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  return Object.fromEntries(copied);
}

/** Of the few headers that this program knows: what is joined afresh is flattened afresh by each search. */
const beginnings = new Map<string, string>();

const latin1 = (bytes: Uint8Array, from: number): string => asBuffer(bytes).toString("latin1", from);

const asBuffer = (bytes: Uint8Array): Buffer =>
  bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
