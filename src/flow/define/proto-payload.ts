import protobuf from "protobufjs";
import type { Data, Payload } from "./payload.ts";
import { faultFinder } from "./proto-fault.ts";

/**
 * 64-bit integers become numbers, which `faultFinder` refuses beyond 2^53: what was rounded is beyond it as well. Fields
 * that are missing have their default, messages that are missing are null.
 */
const conversion = { longs: Number, enums: String, defaults: true, arrays: true, objects: true } as const;

/** Events as messages of a protobuf type, by reflection. Fields have the names of proto3's JSON form: `claimId`. */
export function protoPayload(type: protobuf.Type): Payload {
  const faultOf = faultFinder(type);
  const mustBeRight = (data: Data): Data => {
    const fault = faultOf(data);
    if (fault !== undefined) throw new Error(fault);
    return data;
  };
  return {
    type,
    decode: (bytes) => mustBeRight(type.toObject(type.decode(bytes), conversion)),
    encode: (data) => ({ bytes: type.encode(type.fromObject(mustBeRight(data))).finish(), data }),
    statusesOf: (field) => namesOf(enumOf(type, field)),
    hasField: (field) => field in type.fields,
    peek: (bytes, field) => peekEnum(type, bytes, field),
  };
}

function enumOf(type: protobuf.Type, name: string): protobuf.Enum | undefined {
  const field = type.fields[name];
  const resolved = field?.resolve().resolvedType;
  return resolved instanceof protobuf.Enum && !field?.repeated ? resolved : undefined;
}

/** But for the name that says that nothing is set, `VERDICT_UNSPECIFIED`, as the style guide of protobuf wants it. */
const namesOf = (values: protobuf.Enum | undefined): string[] | undefined =>
  values && Object.keys(values.values).filter((name) => !name.endsWith("_UNSPECIFIED"));

const varint = 0;

/** The last value of the field, which is the one that counts in protobuf. */
function peekEnum(type: protobuf.Type, bytes: Uint8Array, name: string): string | undefined {
  const field = type.fields[name];
  const values = enumOf(type, name);
  if (!field || !values) return undefined;
  try {
    const reader = protobuf.Reader.create(bytes);
    let value: number | undefined;
    while (reader.pos < reader.len) {
      const tag = reader.uint32();
      if (tag >>> 3 === field.id && (tag & 7) === varint) value = reader.int32();
      else reader.skipType(tag & 7, undefined, tag >>> 3);
    }
    return value === undefined ? undefined : values.valuesById[value];
  } catch {
    return undefined;
  }
}
