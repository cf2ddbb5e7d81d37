import type { WireInteger } from "./wire.ts";

/** The one place where 64-bit integers change their shape; none loses a bit. */

/** For unsigned fields: times. */
export function toBigint(value: WireInteger): bigint {
  if (value == null) return 0n;
  if (typeof value === "number") return BigInt(value);
  return (BigInt(value.high >>> 0) << 32n) | BigInt(value.low >>> 0);
}

/** For signed fields: a number where it is exact, decimal digits where it is not. */
export function toNumberOrText(value: WireInteger): number | string {
  if (value == null || typeof value === "number") return value ?? 0;
  const near = value.high * 2 ** 32 + (value.low >>> 0);
  return Number.isSafeInteger(near) ? near : String(BigInt.asIntN(64, toBigint(value)));
}

export function fromBigint(value: bigint): NonNullable<WireInteger> {
  const low = Number(BigInt.asIntN(32, value));
  const high = Number(BigInt.asIntN(32, value >> 32n));
  // All that the writer reads of a Long.
  return { low, high } as NonNullable<WireInteger>;
}
