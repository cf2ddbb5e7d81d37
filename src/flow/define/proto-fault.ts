import protobuf from "protobufjs";

/** What is wrong with a value, with the path to it; undefined when nothing is. */
type FaultOf = (value: unknown, path: string) => string | undefined;

/**
 * Tells what keeps an object from being a message of a type: a field that it does not have, a value of the wrong type,
 * an unknown name or number of an enum, an integer out of range or beyond 2^53. The object has proto3's JSON names;
 * fields may be missing or null.
 */
export function faultFinder(type: protobuf.Type): (data: object) => string | undefined {
  const faultOf = messageFault(type, new Map());
  return (data) => faultOf(data, "");
}

/** `known`: a message may contain others of its own type. */
function messageFault(type: protobuf.Type, known: Map<protobuf.Type, FaultOf>): FaultOf {
  const before = known.get(type);
  if (before) return before;
  const fields = new Map<string, FaultOf>();
  const fieldFaultIn = (given: unknown, name: string, path: string): string | undefined => {
    const field = fields.get(name);
    if (!field) return `${type.fullName.slice(1)} has no field ${path}`;
    return given === undefined || given === null ? undefined : field(given, path);
  };
  const faultOf: FaultOf = (value, path) => {
    if (!isObject(value)) return wrong(path, "a message", value);
    for (const name in value) {
      const fault = fieldFaultIn(value[name], name, path === "" ? name : `${path}.${name}`);
      if (fault !== undefined) return fault;
    }
    return undefined;
  };
  known.set(type, faultOf);
  for (const field of type.fieldsArray) fields.set(field.name, fieldFault(field.resolve(), known));
  const choices = type.oneofsArray.map(({ oneof }) => oneof).filter(({ length }) => length > 1);
  if (choices.length === 0) return faultOf;
  const withChoices: FaultOf = (value, path) => faultOf(value, path) ?? choiceFault(value, path, choices);
  known.set(type, withChoices);
  return withChoices;
}

function fieldFault(field: protobuf.Field, known: Map<protobuf.Type, FaultOf>): FaultOf {
  const single = valueFault(field, known);
  if (field instanceof protobuf.MapField) {
    return (value, path) => {
      if (!isObject(value)) return wrong(path, "a map", value);
      const badKey = Object.keys(value).find((key) => keyFault(field.keyType, key));
      if (badKey !== undefined)
        return `${path} has the key ${JSON.stringify(badKey)}, not a ${field.keyType}`;
      return firstFault(Object.entries(value), ([key, each]) => single(each, `${path}.${key}`));
    };
  }
  if (!field.repeated) return single;
  return (value, path) => {
    if (!Array.isArray(value)) return wrong(path, "a list", value);
    // Hot path: where it stands is only worked out for what is wrong.
    const index = value.findIndex((each) => single(each, path) !== undefined);
    return index === -1 ? undefined : single(value[index], `${path}[${index}]`);
  };
}

/** Only the last one of them would be read. */
function choiceFault(
  value: unknown,
  path: string,
  choices: readonly (readonly string[])[],
): string | undefined {
  const given = value as Record<string, unknown>;
  const isSet = (name: string) => given[name] !== undefined && given[name] !== null;
  const twice = choices.map((names) => names.filter(isSet)).find(({ length }) => length > 1);
  const place = path === "" ? "it" : path;
  return twice && `${place} has ${twice.join(" and ")}, of which one may be set`;
}

const keyFault = (type: string, key: string): boolean => {
  if (type === "string") return false;
  if (type === "bool") return key !== "true" && key !== "false";
  return !/^-?\d+$/.test(key) || integers[type]?.(Number(key), "") !== undefined;
};

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function valueFault({ resolvedType, type }: protobuf.Field, known: Map<protobuf.Type, FaultOf>): FaultOf {
  if (resolvedType instanceof protobuf.Type) return messageFault(resolvedType, known);
  if (resolvedType instanceof protobuf.Enum) return enumFault(resolvedType);
  const integer = integers[type];
  if (integer) return integer;
  if (type === "string") return ofType("string", "a text");
  if (type === "bool") return ofType("boolean", "true or false");
  if (type === "bytes")
    return (value, path) =>
      value instanceof Uint8Array ? undefined : wrong(path, "bytes (a Uint8Array)", value);
  return ofType("number", "a number");
}

const enumFault =
  ({ values, name }: protobuf.Enum): FaultOf =>
  (value, path) =>
    typeof value === "string" && Object.hasOwn(values, value)
      ? undefined
      : wrong(path, `one of ${name}: ${Object.keys(values).join(", ")}`, value);

const ofType =
  (type: "string" | "boolean" | "number", what: string): FaultOf =>
  (value, path) =>
    typeof value === type ? undefined : wrong(path, what, value);

function integerFault(least: number, most: number): FaultOf {
  return (value, path) => {
    if (typeof value !== "number" || !Number.isInteger(value)) return wrong(path, "an integer", value);
    if (!Number.isSafeInteger(value)) return `${path} is beyond 2^53, where integers would be rounded`;
    return value < least || value > most ? wrong(path, `between ${least} and ${most}`, value) : undefined;
  };
}

const signed32 = integerFault(-(2 ** 31), 2 ** 31 - 1);
const unsigned32 = integerFault(0, 2 ** 32 - 1);
const signed64 = integerFault(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
const unsigned64 = integerFault(0, Number.MAX_SAFE_INTEGER);

const integers: Readonly<Record<string, FaultOf>> = {
  int32: signed32,
  sint32: signed32,
  sfixed32: signed32,
  uint32: unsigned32,
  fixed32: unsigned32,
  int64: signed64,
  sint64: signed64,
  sfixed64: signed64,
  uint64: unsigned64,
  fixed64: unsigned64,
};

function firstFault<T>(values: readonly T[], faultOf: (value: T) => string | undefined): string | undefined {
  for (const value of values) {
    const fault = faultOf(value);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function wrong(path: string, wanted: string, value: unknown): string {
  const text = typeof value === "bigint" ? `${value}n` : (JSON.stringify(value) ?? String(value));
  const shown = text.length > 64 ? `${text.slice(0, 64)}…` : text;
  return `${path === "" ? "it" : path} is ${shown}, not ${wanted}`;
}
