import protobuf from "protobufjs";

/** A JSON Schema, of draft 7. */
export type JsonSchema = Record<string, unknown>;

/** The JSON Schemas of protobuf messages in their JSON form, with those that they contain by name. */
export class SchemaWriter {
  /** Of the messages and enums within those that were asked for, by their full names. */
  readonly schemas: Record<string, JsonSchema> = {};
  readonly #placeOf: (name: string) => string;

  /** `placeOf` makes the reference to a schema of a name. */
  constructor(placeOf: (name: string) => string) {
    this.#placeOf = placeOf;
  }

  /** As events are checked: no other fields, and each of its type. Fields may be missing. */
  schemaOf(type: protobuf.Type): JsonSchema & { properties: Record<string, JsonSchema> } {
    return {
      type: "object",
      properties: Object.fromEntries(
        type.fieldsArray.map((field) => [field.name, this.#fieldSchema(field.resolve())]),
      ),
      additionalProperties: false,
    };
  }

  #fieldSchema(field: protobuf.Field): JsonSchema {
    const value = this.#valueSchema(field);
    if (field instanceof protobuf.MapField) return { type: "object", additionalProperties: value };
    return field.repeated ? { type: "array", items: value } : value;
  }

  #valueSchema({ resolvedType, type }: protobuf.Field): JsonSchema {
    if (resolvedType) return { $ref: this.#refer(resolvedType) };
    return { ...(scalars[type] ?? {}) };
  }

  #refer(type: protobuf.Type | protobuf.Enum): string {
    const name = type.fullName.slice(1);
    if (!(name in this.schemas)) {
      // Known before it is written: a message may contain itself.
      this.schemas[name] = {};
      this.schemas[name] =
        type instanceof protobuf.Enum
          ? { type: "string", enum: Object.keys(type.values) }
          : this.schemaOf(type);
    }
    return this.#placeOf(name);
  }
}

const integer = (minimum: number, maximum: number): JsonSchema => ({ type: "integer", minimum, maximum });
const signed32 = integer(-(2 ** 31), 2 ** 31 - 1);
const unsigned32 = integer(0, 2 ** 32 - 1);
/** Larger ones are refused, never rounded. */
const signed64 = integer(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
const unsigned64 = integer(0, Number.MAX_SAFE_INTEGER);

const scalars: Readonly<Record<string, JsonSchema>> = {
  string: { type: "string" },
  bool: { type: "boolean" },
  bytes: { type: "string", contentEncoding: "base64" },
  double: { type: "number" },
  float: { type: "number" },
  ...{ int32: signed32, sint32: signed32, sfixed32: signed32, uint32: unsigned32, fixed32: unsigned32 },
  ...{ int64: signed64, sint64: signed64, sfixed64: signed64, uint64: unsigned64, fixed64: unsigned64 },
};
