/**
 * Characters in text from outside (SKUs, names, reasons, subjects) that a terminal would obey (C0 and C1 controls),
 * hide or turn round (U+200B, U+202E …), or begin a new line with (U+0085, U+2028).
 */
const unprintable = /[\p{C}\p{Zl}\p{Zp}]/gu;

/** Makes text fit for one line: every character that is not visible becomes `?`, tabs and line breaks as well. */
export const printable = (text: string): string => text.replace(unprintable, "?");

/**
 * The text as one word of a command that people paste into a shell, with `--` before it when it begins with a dash;
 * undefined when it has unprintable characters, which nobody can type.
 */
export function operand(text: string): string | undefined {
  if (text !== printable(text)) return undefined;
  const word = /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
  return text.startsWith("-") ? `-- ${word}` : word;
}

/** Like `printable`, but keeps line breaks. */
export const printableLines = (text: string): string =>
  text.replace(unprintable, (character) => (character === "\n" ? character : "?"));

/**
 * Applies `printable` to every text in JSON-like data, names of fields as well, for a view that adds its own colours
 * and line breaks. Returns what needs no change as it is, and so everything that is neither a list nor a plain record
 * (a Date).
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
    // Two names may have become the same, and no field may be lost.
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

/**
 * JSON with every unprintable character escaped, except line breaks between lines; a parser reads the same value from
 * it. A character beyond U+FFFF becomes two escapes.
 */
export const printableJson = (json: string): string =>
  json.replace(unprintable, (character) => (character === "\n" ? character : escaped(character)));

const escaped = (character: string): string =>
  Array.from(
    { length: character.length },
    (_, at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, "0")}`,
  ).join("");
