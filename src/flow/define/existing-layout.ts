import { covers } from "../../jetstream/streams/replay-streams.ts";
import { type Addressed, type EventPlace, type Layout, subjectText } from "../layout.ts";
import { partitionOf } from "../partition.ts";
import { keyOfToken, tokenOfKey } from "./key-token.ts";

/** Where the events of one kind are in a stream that other programs made. */
export type ExistingKind = {
  kind: string;
  /** `accounts.{accountId}.opened`: one token may be the key; others may be `*`, and the last one `>`. */
  subject: string;
  /** What headers have to say for a message to be of this kind. */
  headers: Readonly<Record<string, string>>;
};

/** Where the key is when the subject does not tell: in a header, or in a field (`data.id` is one of an object in it). */
export type KeyPlace = { header: string } | { field: string };

type Existing = {
  kinds: readonly ExistingKind[];
  partitions: number | undefined;
  keyFrom: KeyPlace;
  /** The fields of a message of a kind; throws where it is not readable. */
  read(kind: string, payload: Uint8Array): Readonly<Record<string, unknown>>;
};

/** `{accountId}`, as a whole token. */
const placeholder = /^\{[^{}]+\}$/;

const partitionToken = "{partition}";

/** Whether a token of a subject stands for the key. */
export const isKeyToken = (token: string): boolean => placeholder.test(token) && token !== partitionToken;

/** Whether the subject is that of one event: nothing but the key is left open. */
export const isConcrete = (subject: string): boolean =>
  subject.split(".").every((token) => token !== "*" && token !== ">");

/** Why a subject cannot be that of a kind; undefined where it can. */
export function faultOfSubject(subject: unknown, partitions = 1): string | undefined {
  if (typeof subject !== "string" || subject === "") return "needs a subject: accounts.{accountId}.opened";
  const tokens = subject.split(".");
  const isToken = (token: string, index: number) =>
    placeholder.test(token) ||
    token === "*" ||
    (token === ">" && index === tokens.length - 1) ||
    plain.test(token);
  if (!tokens.every(isToken)) return `has a subject that NATS does not know: ${JSON.stringify(subject)}`;
  if (tokens.filter(isKeyToken).length > 1) return `has several keys in its subject ${subject}`;
  const isDivided = tokens.includes(partitionToken);
  if (partitions > 1 && !isDivided)
    return `has no {partition} in its subject ${subject}, and the flow has ${partitions}`;
  return undefined;
}

/** Other than in keys, ASCII alone is compared as the broker does. */
const plain = /^[!-)+-=?-z|~]+$/;

/** The layout of a stream that other programs made, and that is left as it is. */
export function existingLayout({ kinds, partitions, keyFrom, read }: Existing): Layout {
  const compiled = kinds.map((each) => compileKind(each, partitions));
  const named = new Map(compiled.map((each) => [each.kind, each]));
  const of = (kind: string): CompiledKind => {
    const found = named.get(kind);
    if (!found) throw new Error(`${kind} is no kind of the flow`);
    return found;
  };
  const takes = (kind: string, message: Addressed) =>
    Object.entries(of(kind).headers).every(([name, value]) => message.header(name) === value);
  const keyBeside = ({ kind }: CompiledKind, message: Addressed): string | undefined => {
    const told =
      "header" in keyFrom
        ? message.header(keyFrom.header)
        : textAt(read(kind, message.payload), keyFrom.field);
    return told === undefined ? undefined : tokenOfKey(told);
  };
  const placeOf = (message: Addressed): EventPlace | undefined => {
    const found = compiled.find((each) => matches(each, message.subject) && takes(each.kind, message));
    if (!found) return undefined;
    try {
      const key = found.keyAt < 0 ? keyBeside(found, message) : keyIn(found, message.subject);
      return key === undefined ? undefined : { kind: found.kind, key };
    } catch {
      // What cannot be read names no key.
      return undefined;
    }
  };
  return {
    isManaged: false,
    subjectOf: (kind, key) => of(kind).withKey(key),
    partitions,
    filterOf: (kind, partition) => of(kind).withKey("*", partition),
    filterOfKey: () => undefined,
    templateOf: (kind) => of(kind).subject,
    parseSubject(subject) {
      // Where headers tell kinds apart, the subject alone does not.
      const [only, ...others] = compiled.filter((each) => matches(each, subject));
      const key = only && others.length === 0 ? keyIn(only, subject) : undefined;
      return only && key !== undefined ? { kind: only.kind, key } : undefined;
    },
    placeOf,
    takes,
    headersOf(kind, key) {
      const { headers, keyAt } = of(kind);
      const inHeader = keyAt < 0 && "header" in keyFrom;
      return { ...headers, ...(inHeader && { [keyFrom.header]: keyOfToken(key) ?? key }) };
    },
  };
}

type CompiledKind = ExistingKind & {
  /** Which token of the subject is the key; -1 for none. */
  keyAt: number;
  /** The subject of a key, or of all keys (`*`) in one partition or in all. */
  withKey(token: string, partition?: number): string;
};

function compileKind(each: ExistingKind, partitions = 1): CompiledKind {
  const tokens = each.subject.split(".");
  const keyAt = tokens.findIndex(isKeyToken);
  return {
    ...each,
    keyAt,
    withKey(key, partition) {
      const own = key === "*" ? (partition ?? "*") : partitionOf(key, partitions);
      const filled = tokens.map((token, index) =>
        token === partitionToken ? own : index === keyAt ? key : token,
      );
      return filled.join(".");
    },
  };
}

const matches = ({ withKey }: CompiledKind, subject: string): boolean => covers(withKey("*"), subject);

/** The key as orderctl writes it, whoever chose the token. */
function keyIn({ keyAt }: CompiledKind, subject: string): string | undefined {
  const token = subjectText(subject).split(".")[keyAt];
  if (token === undefined) return undefined;
  return keyOfToken(token) === undefined ? tokenOfKey(token) : token;
}

/** The text or number at a path of fields; undefined where there is none. */
function textAt(data: Readonly<Record<string, unknown>>, path: string): string | undefined {
  let at: unknown = data;
  for (const name of path.split(".")) at = (at as Record<string, unknown> | undefined | null)?.[name];
  return typeof at === "string" || typeof at === "number" ? String(at) : undefined;
}
