/** The inner messages of one field, each undecoded, and all other fields. */
export type Pieces = { inner: Buffer[]; rest: Buffer };

/**
 * Divides a protobuf message (https://protobuf.dev/programming-guides/encoding/) without looking into its fields;
 * undefined for bytes that are no message, or have groups, which nothing uses any more.
 */
export function splitMessage(bytes: Buffer, field: number): Pieces | undefined {
  const inner: Buffer[] = [];
  const others: Buffer[] = [];
  // Fields one after the other are one piece: there may be millions of two bytes.
  let othersFrom = 0;
  for (let at = 0; at < bytes.length; ) {
    const tag = readVarint(bytes, at);
    const end = tag && endOfField(bytes, tag);
    if (!tag || !end || end.at > bytes.length) return undefined;
    if (tag.value === field * 8 + lengthDelimited) {
      inner.push(bytes.subarray(end.from, end.at));
      if (at > othersFrom) others.push(bytes.subarray(othersFrom, at));
      othersFrom = end.at;
    }
    at = end.at;
  }
  others.push(bytes.subarray(othersFrom));
  return { inner, rest: Buffer.concat(others) };
}

const lengthDelimited = 2;
const fixedBytes: Readonly<Record<number, number>> = { 1: 8, 5: 4 };
const mostVarintBytes = 10;

type Varint = { value: number; end: number };

/** Beyond 2^53 the value is not exact, which no tag and no length is. */
function readVarint(bytes: Buffer, at: number): Varint | undefined {
  let value = 0;
  for (let n = 0; n < mostVarintBytes; n++) {
    const byte = bytes[at + n];
    if (byte === undefined) return undefined;
    value += (byte & 0x7f) * 2 ** (7 * n);
    if (byte < 0x80) return { value, end: at + n + 1 };
  }
  return undefined;
}

/** Where the content of a field begins and where it ends. */
function endOfField(bytes: Buffer, { value: tag, end }: Varint): { from: number; at: number } | undefined {
  const wireType = tag % 8;
  const fixed = fixedBytes[wireType];
  if (fixed !== undefined) return { from: end, at: end + fixed };
  if (wireType !== 0 && wireType !== lengthDelimited) return undefined;
  const varint = readVarint(bytes, end);
  if (!varint) return undefined;
  return { from: varint.end, at: varint.end + (wireType === lengthDelimited ? varint.value : 0) };
}
