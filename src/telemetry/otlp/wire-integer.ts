import type { WireInteger } from "./wire.ts";

/** For unsigned fields, such as times; exact. */
export function toBigint(value: WireInteger): bigint {
  if (value == null) return 0n;
  if (typeof value === "number") return BigInt(value);
  return (BigInt(value.high >>> 0) << 32n) | BigInt(value.low >>> 0);
}

/** For signed fields: a number if that is exact, else decimal digits. */
export function toNumberOrText(value: WireInteger): number | string {
  if (value == null || typeof value === "number") return value ?? 0;
  const near = value.high * 2 ** 32 + (value.low >>> 0);
  return Number.isSafeInteger(near) ? near : String(BigInt.asIntN(64, toBigint(value)));
}

export function fromBigint(value: bigint): NonNullable<WireInteger> {
  const low = Number(BigInt.asIntN(32, value));
  const high = Number(BigInt.asIntN(32, value >> 32n));
  // The protobuf writer reads only these two fields of a Long.
  return { low, high } as NonNullable<WireInteger>;
}
