import protobuf from "protobufjs";
import type { CompiledFlow } from "./compile-flow.ts";
import { type Finding, placeOf } from "./finding.ts";

/**
 * What in the `.proto` files of a flow makes a later change break: a few rules for the messages that it stores, and for
 * those within them.
 */
export function flowAdvice({ flow, types }: CompiledFlow): Finding[] {
  const stored = Object.values(types).filter((type) => type !== undefined);
  const within = new Set<protobuf.Type | protobuf.Enum>();
  for (const type of stored) collect(type, within);
  const keys = [...new Set(stored)].flatMap((type) => keyAdvice(type, flow.keyField));
  return [...keys, ...[...within].flatMap((type) => typeAdvice(type))];
}

function collect(type: protobuf.Type, found: Set<protobuf.Type | protobuf.Enum>): void {
  if (found.has(type)) return;
  found.add(type);
  for (const { resolvedType } of type.fieldsArray.map((field) => field.resolve())) {
    if (resolvedType instanceof protobuf.Type) collect(resolvedType, found);
    else if (resolvedType) found.add(resolvedType);
  }
}

const typeAdvice = (type: protobuf.Type | protobuf.Enum): Finding[] =>
  type instanceof protobuf.Enum ? enumAdvice(type) : requiredAdvice(type);

/** Where a field is missing, an enum is 0, which has to be no value that somebody may have meant. */
function enumAdvice(type: protobuf.Enum): Finding[] {
  const zero = type.valuesById[0];
  if (zero === undefined || zero.endsWith("_UNSPECIFIED")) return [];
  const what = `${type.name} has 0 for ${zero}, not for …_UNSPECIFIED`;
  return [advice(what, placeOf(type, 0), `an event in which the field is missing is read as ${zero}`)];
}

function requiredAdvice(type: protobuf.Type): Finding[] {
  return type.fieldsArray
    .filter(({ required }) => required)
    .map(({ name, id }) =>
      advice(`${type.name}.${name} is required`, placeOf(type, id), "it can never be left out again"),
    );
}

function keyAdvice(type: protobuf.Type, keyField: string): Finding[] {
  const field = type.fields[keyField];
  if (!field || field.type === "string") return [];
  const why = /64$/.test(field.type)
    ? "keys beyond 2^53 are refused"
    : "a key has to be a text or an integer";
  if (/32$/.test(field.type)) return [];
  return [
    advice(`the key ${type.name}.${keyField} is ${field.type}, not string`, placeOf(type, field.id), why),
  ];
}

const advice = (what: string, where: string | null, why: string): Finding => ({
  level: "advice",
  what,
  where,
  why,
});
