import fc from "fast-check";

/** Texts that have broken parsers, terminals, paths, subjects and prototypes before. */
export const hostileText: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(
    "",
    " ",
    "\u0000",
    "a\u0000b",
    "\n",
    "a\r\nb: c",
    "\u001b[31mred\u001b[2J",
    "\ud800",
    "\u202e\u2066",
    "💥".repeat(40),
    "é".normalize("NFD"),
    "__proto__",
    "constructor",
    "toString",
    "null",
    "undefined",
    "NaN",
    "Infinity",
    "-1",
    "-0",
    "0x10",
    "1e309",
    "9007199254740993",
    "99999999999999999999999999",
    "1.5",
    "../../../etc/passwd",
    "%00",
    "%2e%2e%2f",
    ">",
    "*",
    "a.b",
    "a b",
    "$(x)",
    "'; --",
  ),
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.string({ maxLength: 20 }),
  fc.integer({ min: 65, max: 5000 }).map((length) => "x".repeat(length)),
);

/** Numbers at and beyond every edge that JSON can write. */
export const hostileNumber: fc.Arbitrary<number> = fc.oneof(
  fc.constantFrom(
    0,
    -0,
    -1,
    0.1,
    1.5,
    2 ** 31,
    2 ** 32,
    2 ** 53 - 1,
    2 ** 53,
    2 ** 63,
    -(2 ** 63),
    1e308,
    5e-324,
  ),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer(),
);

/** Any JSON, its keys hostile as well. */
export const hostileJson: fc.Arbitrary<unknown> = fc.letrec<{ json: unknown }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(null, true, false, [], {}),
    hostileText,
    hostileNumber,
    fc.array(tie("json"), { maxLength: 4 }),
    fc.dictionary(hostileText, tie("json"), { maxKeys: 4, noNullPrototype: true }),
  ),
})).json;

/** So many levels of arrays or objects, as text: no generator needs to build them. */
export const deepJson = (levels: number, [open, close] = ["[", "]"]): string =>
  `${open.repeat(levels)}1${close.repeat(levels)}`;
