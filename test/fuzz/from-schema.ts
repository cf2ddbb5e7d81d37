import fc from "fast-check";
import { hostileNumber, hostileText } from "./hostile-values.ts";

/** As much of JSON Schema as the HTTP APIs describe their bodies with. */
export type Schema =
  | { type: "string"; pattern?: string; minLength?: number; maxLength?: number }
  | { type: "integer" | "number"; minimum: number; maximum: number; multipleOf?: number }
  | { type: "boolean" }
  | { type: "array"; items: Schema; maxItems: number }
  | ObjectSchema
  | { anyOf: readonly Schema[] };

export type ObjectSchema = {
  type: "object";
  properties: Readonly<Record<string, Schema>>;
  required?: readonly string[];
  additionalProperties?: boolean;
};

type Json = unknown;
type Members = Record<string, Json>;

/** Any document that the schema describes. */
export function validFor(schema: Schema): fc.Arbitrary<Json> {
  if ("anyOf" in schema) return fc.oneof(...schema.anyOf.map(validFor));
  switch (schema.type) {
    case "string":
      return validText(schema);
    case "integer":
      return fc.integer({ min: schema.minimum, max: schema.maximum });
    case "number":
      return validNumber(schema);
    case "boolean":
      return fc.boolean();
    case "array":
      return fc.array(validFor(schema.items), { maxLength: Math.min(schema.maxItems, 5) });
    case "object":
      return validObject(schema);
  }
}

/** Decimals are drawn as decimal fractions: the shortest text of a multiple has no more digits than the step. */
function validNumber({
  minimum,
  maximum,
  multipleOf: step,
}: Extract<Schema, { type: "integer" | "number" }>) {
  if (step === undefined) return fc.double({ min: minimum, max: maximum, noNaN: true });
  const parts = Math.round(1 / step);
  return fc.integer({ min: minimum * parts, max: maximum * parts }).map((count) => count / parts);
}

const validText = ({ pattern, minLength = 0, maxLength = 64 }: Extract<Schema, { type: "string" }>) =>
  pattern === undefined
    ? fc
        .string({ unit: "grapheme", minLength, maxLength })
        .filter((text) => text.length <= maxLength && text.length >= minLength)
    : fc.stringMatching(new RegExp(pattern));

const validObject = ({ properties, required = [] }: ObjectSchema): fc.Arbitrary<Members> =>
  fc.record(
    Object.fromEntries(Object.entries(properties).map(([name, schema]) => [name, validFor(schema)])),
    {
      requiredKeys: [...required],
      noNullPrototype: true,
    },
  );

/** A document that breaks the schema in one place, and where. */
export type Broken = { at: string; body: Json };

/**
 * Each way in which a valid document can be broken: a member missing that is required, one too many where none may be,
 * a value of another type, out of its range, too long or against its pattern, at every place of the schema.
 */
export const brokenFor = (schema: ObjectSchema): fc.Arbitrary<Broken> =>
  fc.oneof(...breaksOf(schema, "").map(({ at, broken }) => broken.map((body) => ({ at, body }))));

type Break = { at: string; broken: fc.Arbitrary<Json> };

function breaksOf(schema: Schema, at: string): Break[] {
  const wrong = { at, broken: wrongType(schema) };
  if ("anyOf" in schema || schema.type === "boolean") return [wrong];
  switch (schema.type) {
    case "string":
      return [wrong, ...wrongText(schema).map((broken) => ({ at, broken }))];
    case "integer":
    case "number":
      return [wrong, { at, broken: wrongNumber(schema) }];
    case "array":
      return [wrong, ...breaksOf(schema.items, `${at}[]`).map(inArray)];
    case "object":
      return [...(at === "" ? [] : [wrong]), ...breaksInObject(schema, at)];
  }
}

const inArray = ({ at, broken }: Break): Break => ({ at, broken: broken.map((item) => [item]) });

function breaksInObject(schema: ObjectSchema, at: string): Break[] {
  const valid = validObject(schema);
  const breaks = Object.entries(schema.properties).flatMap(([name, member]) =>
    breaksOf(member, `${at}.${name}`).map(({ at: place, broken }) => ({
      at: place,
      broken: fc.tuple(valid, broken).map(([whole, value]) => ({ ...whole, [name]: value })),
    })),
  );
  for (const name of schema.required ?? []) {
    breaks.push({ at: `${at}.${name}`, broken: valid.map(({ [name]: _, ...rest }) => rest) });
  }
  if (schema.additionalProperties === false) {
    const broken = fc.tuple(valid, hostileText, hostileNumber).map(([whole, name, value]) => {
      return Object.fromEntries([...Object.entries(whole), [`${name}?`, value]]);
    });
    breaks.push({ at: `${at}.*`, broken });
  }
  return breaks;
}

const samples: Record<string, fc.Arbitrary<Json>> = {
  string: hostileText,
  number: hostileNumber,
  boolean: fc.boolean(),
  array: fc.array(hostileText, { maxLength: 2 }),
  object: fc.dictionary(hostileText, hostileNumber, { maxKeys: 2, noNullPrototype: true }),
};

/** A member that is null is taken for one that is missing, so null is not among them. */
function wrongType(schema: Schema): fc.Arbitrary<Json> {
  const allowed = ("anyOf" in schema ? schema.anyOf : [schema]).map((each) =>
    "type" in each && each.type !== "integer" ? ("type" in each ? each.type : "") : "number",
  );
  return fc.oneof(
    ...Object.entries(samples).flatMap(([type, sample]) => (allowed.includes(type as never) ? [] : [sample])),
  );
}

function wrongText({ pattern, minLength, maxLength }: Extract<Schema, { type: "string" }>) {
  const isWrong = (text: string) =>
    (pattern !== undefined && !new RegExp(pattern).test(text)) ||
    (minLength !== undefined && text.length < minLength) ||
    (maxLength !== undefined && text.length > maxLength);
  const isBounded = pattern !== undefined || minLength !== undefined || maxLength !== undefined;
  return isBounded ? [hostileText.filter(isWrong)] : [];
}

function wrongNumber({ type, minimum, maximum }: Extract<Schema, { type: "integer" | "number" }>) {
  const isWrong = (value: number) =>
    value < minimum || value > maximum || (type === "integer" && !Number.isInteger(value));
  return fc.oneof(
    hostileNumber.filter(isWrong),
    fc.constantFrom(minimum - 1, maximum * 2 + 1).filter(isWrong),
  );
}
