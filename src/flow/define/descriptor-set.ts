import protobuf from "protobufjs";
import descriptor from "protobufjs/ext/descriptor.js";

/** The types of a root as a `FileDescriptorSet` that any tool of protobuf reads: a file for each package. */
export function descriptorSet(root: protobuf.Root): Uint8Array {
  const set = root.toDescriptor("proto3");
  const files = new Map(set.file?.map((file) => [file.package ?? "", file.name ?? ""]));
  for (const file of set.file ?? []) {
    const needed = new Set<string>();
    const at = file.package ? root.lookup(file.package) : root;
    for (const message of file.messageType ?? [])
      complete(message, (at as protobuf.Namespace).lookupType(message.name ?? ""), needed);
    file.dependency = [...needed].map((name) => files.get(name) ?? "").filter((name) => name !== file.name);
  }
  return descriptor.FileDescriptorSet.encode(set).finish();
}

/** Throws for bytes that are no such set, and for names that protobuf does not allow: code is made of them. */
export function rootOfDescriptors(bytes: Uint8Array): protobuf.Root {
  const root = protobuf.Root.fromDescriptor(bytes);
  checkNames(root);
  root.resolveAll();
  return root;
}

function checkNames(within: protobuf.NamespaceBase): void {
  for (const each of within.nestedArray) {
    const fields = each instanceof protobuf.Type ? [...each.fieldsArray, ...each.oneofsArray] : [];
    const names = [each, ...fields].map(({ name }) => name);
    if (each instanceof protobuf.Enum) names.push(...Object.keys(each.values));
    const bad = names.find((name) => !/^[A-Za-z_]\w*$/.test(name));
    if (bad !== undefined) throw new Error(`${JSON.stringify(bad.slice(0, 64))} is no name of protobuf`);
    if (each instanceof protobuf.Namespace) checkNames(each);
  }
}

/**
 * protobufjs leaves out what only others need: whole names of types, the files that they are in, and the names of map
 * entries. The JSON name is always given, so that a field is called the same when it is read.
 */
function complete(message: descriptor.IDescriptorProto, type: protobuf.Type, needed: Set<string>): void {
  sortOneofs(message);
  for (const field of type.fieldsArray) {
    const value = completeField(message, type, field);
    if (!value || !field.resolvedType) continue;
    value.typeName = field.resolvedType.fullName;
    needed.add(packageOf(field.resolvedType));
  }
  for (const nested of message.nestedType ?? []) {
    const inner = type.get(nested.name ?? "");
    if (inner instanceof protobuf.Type) complete(nested, inner, needed);
  }
}

/** What has the type of the field's values: itself, or the field for the values of a map. */
function completeField(
  message: descriptor.IDescriptorProto,
  type: protobuf.Type,
  { id, name, map }: protobuf.Field,
): descriptor.IFieldDescriptorProto | undefined {
  const field = message.field?.find(({ number }) => number === id);
  if (!field) return undefined;
  field.jsonName = name;
  if (!map) return field;
  const entry = message.nestedType?.find((each) => each.name === field.typeName);
  if (!entry) return undefined;
  entry.name = entryName(field.name ?? "");
  field.typeName = `${type.fullName}.${entry.name}`;
  return entry.field?.find(({ number }) => number === 2);
}

/** Those that stand for `optional` fields have to come last. */
function sortOneofs(message: descriptor.IDescriptorProto): void {
  const { field = [], oneofDecl: before = [] } = message;
  const ofOptional = new Set(
    field.filter(({ proto3Optional }) => proto3Optional).map((each) => each.oneofIndex),
  );
  const sorted = [...before.keys()].sort((a, b) => Number(ofOptional.has(a)) - Number(ofOptional.has(b)));
  message.oneofDecl = sorted.flatMap((index) => before[index] ?? []);
  for (const each of field)
    if (Object.hasOwn(each, "oneofIndex")) each.oneofIndex = sorted.indexOf(each.oneofIndex ?? 0);
}

/** As protoc calls the message of a map's entries. */
const entryName = (field: string): string =>
  `${field.replace(/(?:^|_)(.)/g, (_, first: string) => first.toUpperCase())}Entry`;

function packageOf({ parent }: protobuf.ReflectionObject): string {
  return parent instanceof protobuf.Type ? packageOf(parent) : (parent?.fullName.slice(1) ?? "");
}
