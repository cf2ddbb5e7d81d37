import type { Payload } from "./payload.ts";

/** What is wrong with a value, and where in it. */
export type SchemaIssue = {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { key: PropertyKey })[] | undefined;
};
/** What a schema says of a value: what it is, or what is wrong with it. */
export type SchemaResult<D> =
  | { readonly value: D; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] };

/** What the Standard Schema specification (standardschema.dev, version 1) asks of a schema, as far as it is used here. */
export type StandardSchema<D = unknown> = {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    /** Has to answer at once: a promise is refused. */
    readonly validate: (value: unknown) => SchemaResult<D> | Promise<SchemaResult<D>>;
    readonly types?: { readonly input: unknown; readonly output: D } | undefined;
    /** Of the Standard JSON Schema specification, which fewer libraries follow. */
    readonly jsonSchema?:
      | {
          /** The JSON Schema of what the schema takes. */
          readonly input: (options: { target: "draft-07" }) => Record<string, unknown>;
        }
      | undefined;
  };
};

/**
 * The JSON Schema (draft 7) of what a schema accepts, which is what is stored; undefined where its library does not tell
 * it, or cannot express it.
 */
export function jsonSchemaOf(schema: StandardSchema | undefined): Record<string, unknown> | undefined {
  try {
    const { $schema: _, ...told } = schema?.["~standard"].jsonSchema?.input({ target: "draft-07" }) ?? {};
    return Object.keys(told).length === 0 ? undefined : told;
  } catch {
    return undefined;
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** Events as JSON objects in UTF-8, checked by the schema if there is one. */
export function jsonPayload(schema: StandardSchema | undefined): Payload {
  return {
    decode: (bytes) => check(schema, parseJson(decoder.decode(bytes))),
    encode(data) {
      const text = JSON.stringify(data);
      // What will be read, not what was given: a date becomes a text on the way.
      return { bytes: encoder.encode(text), data: check(schema, parseJson(text)) };
    },
    statusesOf: () => undefined,
    hasField: () => undefined,
    peek: () => undefined,
  };
}

const manyDigits = /\d{16}/;
const texts = /"(?:[^"\\]|\\.)*"/g;
const integers = /(?<![\d.eE+-])-?\d{16,}(?![\d.eE])/g;

/** Refuses integers beyond 2^53, which `JSON.parse` would round without a word. */
export function parseJson(text: string): unknown {
  if (manyDigits.test(text)) {
    const rounded = text
      .replace(texts, '""')
      .match(integers)
      ?.find((digits) => !Number.isSafeInteger(Number(digits)));
    if (rounded !== undefined) throw new Error(`the integer ${rounded} is beyond 2^53: send it as a text`);
  }
  return JSON.parse(text);
}

function check(schema: StandardSchema | undefined, value: unknown): Record<string, unknown> {
  const checked = schema ? validated(schema, value) : value;
  if (typeof checked === "object" && checked !== null && !Array.isArray(checked))
    return checked as Record<string, unknown>;
  throw new Error("it is no JSON object");
}

function validated(schema: StandardSchema, value: unknown): unknown {
  const result = schema["~standard"].validate(value);
  if (result instanceof Promise)
    throw new Error("its schema answers later (a promise), and an event is checked at once");
  if (!result.issues) return result.value;
  const [{ message, path = [] } = { message: "it does not fit its schema" }] = result.issues;
  const place = path.map((part) => String(typeof part === "object" ? part.key : part)).join(".");
  throw new Error(place === "" ? message : `${place}: ${message}`);
}
