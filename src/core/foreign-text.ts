/**
 * Text of others: SKUs, names, reasons, subjects. A terminal would obey it (C0 and C1 controls), hide it or turn it round (U+200B, U+202E
 * …), or begin a line with it (U+0085, U+2028).
 */
const unprintable = /[\p{C}\p{Zl}\p{Zp}]/gu;

/** Fit for a line of text: what is no visible character becomes `?`, tabs and line breaks as well. */
export const printable = (text: string): string => text.replace(unprintable, "?");

/**
 * The text as an operand of a command that people paste into a shell, which must read no more than one word into it; undefined
 * where nobody can type it.
 */
export function operand(text: string): string | undefined {
  if (text !== printable(text)) return undefined;
  const word = /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
  return text.startsWith("-") ? `-- ${word}` : word;
}

/** As `printable`, for text of several lines. */
export const printableLines = (text: string): string =>
  text.replace(unprintable, (character) => (character === "\n" ? character : "?"));

/**
 * The same of every text in data that JSON can hold, names of fields as well, for a view that adds its own colours and line breaks.
 * What needs no change is handed on as it is, and so is what is no list or record (a Date).
 */
export function printableData<T>(data: T): T {
  if (typeof data === "string") return printable(data) as T;
  if (typeof data !== "object" || data === null) return data;
  if (Array.isArray(data)) return printableArray(data) as T;
  const prototype = Object.getPrototypeOf(data);
  return prototype === Object.prototype || prototype === null ? (printableRecord(data) as T) : data;
}

function printableRecord(data: object): object {
  const entries = Object.entries(data);
  const plain = new Map<string, unknown>();
  for (const [key, value] of entries) {
    let name = printable(key);
    // Two may look alike then, and none is to be lost.
    while (plain.has(name)) name += "?";
    plain.set(name, printableData(value));
  }
  const isSame = entries.every(([key, value]) => plain.has(key) && plain.get(key) === value);
  return isSame ? data : Object.fromEntries(plain);
}

function printableArray(data: unknown[]): unknown[] {
  const plain = data.map(printableData);
  return plain.every((value, at) => value === data[at]) ? data : plain;
}

/** JSON in which all that is unprintable is escaped but line breaks between lines; to a parser it is the same. Beyond U+FFFF that takes two. */
export const printableJson = (json: string): string =>
  json.replace(unprintable, (character) => (character === "\n" ? character : escaped(character)));

const escaped = (character: string): string =>
  Array.from(
    { length: character.length },
    (_, at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, "0")}`,
  ).join("");
