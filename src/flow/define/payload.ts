import type protobuf from "protobufjs";

/** What an event says: its fields by name. */
export type Data = Record<string, unknown>;

/** How events of one kind are written into messages. Errors are plain; the caller names the subject. */
export type Payload = {
  /** The protobuf message; undefined for other formats. */
  readonly type?: protobuf.Type;
  /** Throws for bytes that are no such event. */
  decode(bytes: Uint8Array): Data;
  /**
   * The bytes, and the data as `decode` would give it, though without the defaults of fields that are missing. Throws for
   * data that `decode` would refuse.
   */
  encode(data: Data): { bytes: Uint8Array; data: Data };
  /** The values that a field can have; undefined where the format does not tell. */
  statusesOf(field: string): readonly string[] | undefined;
  /** Whether events have a field; undefined where the format does not tell. */
  hasField(field: string): boolean | undefined;
  /** The value of a field of texts, found without decoding the rest; undefined when in doubt. Hot path. */
  peek(bytes: Uint8Array, field: string): string | undefined;
};
