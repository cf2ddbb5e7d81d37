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

export function rootOfDescriptors(bytes: Uint8Array): protobuf.Root {
  const root = protobuf.Root.fromDescriptor(bytes);
  root.resolveAll();
  return root;
}

/**
 * protobufjs leaves out what only others need: whole names of types, the files that they are in, and the names of map
 * entries. The JSON name is always given, so that a field is called the same when it is read.
 */
function complete(message: descriptor.IDescriptorProto, type: protobuf.Type, needed: Set<string>): void {
  for (const field of message.field ?? []) {
    const own = type.fieldsArray.find(({ id }) => id === field.number);
    if (!own) continue;
    field.jsonName = own.name;
    const entry = own.map ? message.nestedType?.find(({ name }) => name === field.typeName) : undefined;
    const value = entry ? entry.field?.find(({ number }) => number === 2) : field;
    if (entry) {
      entry.name = entryName(field.name ?? "");
      field.typeName = `${type.fullName}.${entry.name}`;
    }
    if (!value || !own.resolvedType) continue;
    value.typeName = own.resolvedType.fullName;
    needed.add(packageOf(own.resolvedType));
  }
  for (const nested of message.nestedType ?? []) {
    const inner = type.get(nested.name ?? "");
    if (inner instanceof protobuf.Type) complete(nested, inner, needed);
  }
}

/** As protoc calls the message of a map's entries. */
const entryName = (field: string): string =>
  `${field.replace(/(?:^|_)(.)/g, (_, first: string) => first.toUpperCase())}Entry`;

function packageOf({ parent }: protobuf.ReflectionObject): string {
  return parent instanceof protobuf.Type ? packageOf(parent) : (parent?.fullName.slice(1) ?? "");
}
