import protobuf from "protobufjs";
import { type Finding, placeOf } from "./finding.ts";

/** Types whose values are all read right as another one's. */
const widened: ReadonlySet<string> = new Set([
  "int32>int64",
  "uint32>uint64",
  "uint32>int64",
  "sint32>sint64",
]);

/**
 * What of a message that is stored would be read as something else, or not at all, if its type became another one.
 * `seen`: pairs of types that are compared already.
 */
export function messageChanges(before: protobuf.Type, after: protobuf.Type, seen: Set<string>): Finding[] {
  const pair = `${before.fullName}>${after.fullName}`;
  if (seen.has(pair)) return [];
  seen.add(pair);
  return before.fieldsArray.flatMap((field) => fieldChanges(field.resolve(), after, seen));
}

function fieldChanges(before: protobuf.Field, after: protobuf.Type, seen: Set<string>): Finding[] {
  const { id, name } = before;
  const field = after.fieldsById[id]?.resolve();
  const named = `${after.name}.${name}`;
  if (!field) return goneField(before, after);
  const at = placeOf(after, id);
  if (field.name !== name)
    return [
      breaks(
        `number ${id} of ${after.name} was ${name} and is ${field.name}`,
        at,
        "what is stored as the one is read as the other",
      ),
    ];
  const [was, is] = [shapeOf(before), shapeOf(field)];
  if (was !== is && !widened.has(`${was}>${is}`))
    return [
      breaks(
        `${named} was ${was} and is ${is}`,
        at,
        "what is stored is read as something else, or not at all",
      ),
    ];
  const joined = field.partOf && field.partOf.oneof.length > 1 && field.partOf.name !== before.partOf?.name;
  return [
    ...(joined
      ? [
          breaks(
            `${named} is one of ${field.partOf?.name} now`,
            at,
            "stored events that have several of them are refused",
          ),
        ]
      : []),
    ...typeChanges(before.resolvedType, field.resolvedType, seen),
  ];
}

function goneField({ id, name }: protobuf.Field, after: protobuf.Type): Finding[] {
  const moved = after.fields[name];
  if (moved)
    return [
      breaks(
        `${after.name}.${name} had number ${id} and has ${moved.id}`,
        placeOf(after, moved.id),
        "what is stored under its old number is not read",
      ),
    ];
  if (after.isReservedId(id) && after.isReservedName(name)) return [];
  const missing = [
    ...(after.isReservedId(id) ? [] : [id]),
    ...(after.isReservedName(name) ? [] : [`"${name}"`]),
  ];
  const why = `number and name may be given to another field, which stored events would then have: reserved ${missing.join(", ")}`;
  return [breaks(`${after.name} has lost ${name} and does not reserve it`, placeOf(after), why)];
}

/** `a list of int64`: what of a field's declaration decides how its bytes are read. */
function shapeOf(field: protobuf.Field): string {
  const { resolvedType, type, repeated } = field;
  const kind = resolvedType instanceof protobuf.Enum ? "an enum" : resolvedType ? "a message" : type;
  if (field instanceof protobuf.MapField) return `a map from ${field.keyType} to ${kind}`;
  return repeated ? `a list of ${kind}` : kind;
}

function typeChanges(
  before: protobuf.ReflectionObject | null,
  after: protobuf.ReflectionObject | null,
  seen: Set<string>,
): Finding[] {
  if (before instanceof protobuf.Type && after instanceof protobuf.Type)
    return messageChanges(before, after, seen);
  if (!(before instanceof protobuf.Enum && after instanceof protobuf.Enum)) return [];
  const pair = `${before.fullName}>${after.fullName}`;
  if (seen.has(pair)) return [];
  seen.add(pair);
  return enumChanges(before, after);
}

function enumChanges(before: protobuf.Enum, after: protobuf.Enum): Finding[] {
  return Object.entries(before.values).flatMap(([name, id]) => {
    if (after.values[name] === id) return [];
    const other = after.valuesById[id];
    const what =
      other === undefined
        ? `${after.name} has lost ${name} = ${id}`
        : `number ${id} of ${after.name} was ${name} and is ${other}`;
    const why =
      other === undefined
        ? "stored events with it are refused"
        : "what is stored as the one is read as the other";
    return [breaks(what, placeOf(after, other === undefined ? undefined : id), why)];
  });
}

const breaks = (what: string, where: string | null, why: string): Finding => ({
  level: "breaks",
  what,
  where,
  why,
});
