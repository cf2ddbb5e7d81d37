import type { Attributes, AttributeValue } from "../tracing/span.ts";
import type { WireAnyValue, WireKeyValue } from "./wire.ts";
import { toNumberOrText } from "./wire-integer.ts";

/** Of two attributes with one key, the last counts. */
export const attributesOf = (pairs: readonly WireKeyValue[] | null | undefined): Attributes =>
  Object.fromEntries((pairs ?? []).map(({ key, value }) => [key ?? "", attributeOf(value)]));

/** Bytes become base64; what JSON has no number for (NaN, infinities, integers beyond 2^53) becomes text. */
function attributeOf(value: WireAnyValue | null | undefined): AttributeValue {
  if (value == null) return null;
  const { stringValue, boolValue, intValue, doubleValue } = value;
  if (stringValue != null) return stringValue;
  if (intValue != null) return toNumberOrText(intValue);
  if (boolValue != null) return boolValue;
  if (doubleValue != null) return Number.isFinite(doubleValue) ? doubleValue : String(doubleValue);
  return nestedOf(value);
}

function nestedOf({ arrayValue, kvlistValue, bytesValue }: WireAnyValue): AttributeValue {
  if (arrayValue != null) return (arrayValue.values ?? []).map(attributeOf);
  if (kvlistValue != null) return attributesOf(kvlistValue.values);
  return bytesValue == null ? null : Buffer.from(bytesValue).toString("base64");
}
