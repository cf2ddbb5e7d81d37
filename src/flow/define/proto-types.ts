import protobuf from "protobufjs";

/** The TypeScript of the messages of a flow, each with those that it contains, in the order in which they are needed. */
export class TypeWriter {
  readonly #written = new Map<protobuf.Type, string>();
  readonly #taken: Set<string>;
  readonly #texts: string[] = [];

  /** `taken`: names of other declarations of the module. */
  constructor(taken: readonly string[]) {
    this.#taken = new Set(taken);
  }

  /** The declarations written so far. */
  get text(): string {
    return this.#texts.join("\n\n");
  }

  /**
   * The name of a message's type. `status` is the field that has to have a value: its type leaves out the name that
   * says that nothing is set.
   */
  nameOf(type: protobuf.Type, status?: string): string {
    const known = this.#written.get(type);
    if (known !== undefined) return known;
    const name = this.#freeName(type);
    this.#written.set(type, name);
    const fields = type.fieldsArray.map((field) => this.#fieldText(field.resolve(), field.name === status));
    this.#texts.push(`export type ${name} = {\n${fields.map((text) => `  ${text}\n`).join("")}};`);
    return name;
  }

  /** With the packages before it, from the innermost on, where others have that name. */
  #freeName(type: protobuf.Type): string {
    const packages = type.fullName.slice(1).split(".").slice(0, -1);
    let name = typeName(type);
    for (let last = packages.pop(); this.#taken.has(name) && last !== undefined; last = packages.pop())
      name = last.charAt(0).toUpperCase() + last.slice(1) + name;
    this.#taken.add(name);
    return name;
  }

  #fieldText(field: protobuf.Field, isStatus: boolean): string {
    const type = this.#typeOf(field, isStatus);
    // What is in a oneof, as every `optional` field is, may be missing.
    if (field.partOf) return `${field.name}?: ${type};`;
    if (field instanceof protobuf.MapField) return `${field.name}: Record<string, ${type}>;`;
    if (field.repeated) return `${field.name}: ${type.includes("|") ? `(${type})` : type}[];`;
    return `${field.name}: ${type}${field.resolvedType instanceof protobuf.Type ? " | null" : ""};`;
  }

  #typeOf({ resolvedType, type }: protobuf.Field, isStatus: boolean): string {
    if (resolvedType instanceof protobuf.Type) return this.nameOf(resolvedType);
    if (resolvedType instanceof protobuf.Enum) {
      const names = Object.keys(resolvedType.values);
      const set = names.filter((name) => !isStatus || !name.endsWith("_UNSPECIFIED"));
      return set.map((name) => JSON.stringify(name)).join(" | ");
    }
    if (type === "string") return "string";
    if (type === "bool") return "boolean";
    return type === "bytes" ? "Uint8Array" : "number";
  }
}

/** `claims.v1.ClaimOpened` is `ClaimOpened`, and a message within it `ClaimOpenedPart`. */
function typeName(type: protobuf.Type): string {
  const outer = type.parent instanceof protobuf.Type ? typeName(type.parent) : "";
  return outer + type.name;
}
