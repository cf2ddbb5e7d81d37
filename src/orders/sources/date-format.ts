import { OrderctlError } from "../../errors.ts";

/** Unix time in µs, or undefined for what is not written so or is no day of the calendar. Without a zone it is UTC. */
export type ReadDate = (text: string) => number | undefined;

/** What a text says of a moment; `year` may have two digits. */
export type DateParts = {
  year: string;
  month: string;
  day: string;
  hour?: string | undefined;
  minute?: string | undefined;
  second?: string | undefined;
  /** `AM` or `PM`, in any case. */
  half?: string | undefined;
  /** `Z`, `+02:00`, `+0200` or `+02`. */
  zone?: string | undefined;
};

const months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/** Each token with its group's name and pattern. Where no other digit follows or precedes, a leading zero may be missing. */
const tokens: Record<string, [part: keyof DateParts, pattern: string]> = {
  YYYY: ["year", "\\d{4}"],
  YY: ["year", "\\d{2}"],
  MMM: ["month", `(?:${months.join("|")})`],
  MM: ["month", "\\d{1,2}"],
  M: ["month", "\\d{1,2}"],
  DD: ["day", "\\d{1,2}"],
  D: ["day", "\\d{1,2}"],
  HH: ["hour", "\\d{1,2}"],
  H: ["hour", "\\d{1,2}"],
  hh: ["hour", "\\d{1,2}"],
  h: ["hour", "\\d{1,2}"],
  mm: ["minute", "\\d{2}"],
  ss: ["second", "\\d{2}(?:\\.\\d+)?"],
  A: ["half", "[ap]m"],
  Z: ["zone", "(?:z|[+-]\\d{2}(?::?\\d{2})?)"],
};
const tokenPattern = /YYYY|YY|MMM|MM|M|DD|D|HH|H|hh|h|mm|ss|A|Z|T|[^A-Za-z]/y;

const known =
  "YYYY, YY, MM, MMM (Jan), DD, HH, hh with A (AM/PM), mm, ss, Z (zone), T, and what stands between";

/** Reads dates written as `format` says, such as `DD/MM/YYYY HH:mm`. Throws `usage` for a format that is none. */
export function compileDateFormat(format: string): ReadDate {
  const pieces = splitFormat(format);
  const isDigits = (piece: string | undefined) =>
    piece !== undefined && /^[YMDHhms]+$/.test(piece) && piece !== "MMM";
  const source = pieces.map((piece, index) => {
    const token = tokens[piece];
    if (token === undefined) return piece === " " ? "\\s+" : piece.replace(/[^\w\s]/g, "\\$&");
    const [part, pattern] = token;
    const isTight = isDigits(pieces[index - 1]) || isDigits(pieces[index + 1]);
    return `(?<${part}>${isTight ? pattern.replace("{1,2}", "{2}") : pattern})`;
  });
  const pattern = new RegExp(`^${source.join("")}$`, "i");
  return (text) => {
    const parts = pattern.exec(text)?.groups;
    return parts && timeOf(parts as DateParts);
  };
}

function splitFormat(format: string): string[] {
  const pieces: string[] = [];
  for (let at = 0; at < format.length; at += pieces.at(-1)?.length ?? 1) {
    tokenPattern.lastIndex = at;
    const [piece] = tokenPattern.exec(format) ?? [];
    if (piece === undefined)
      throw badFormat(`${JSON.stringify(format.slice(at))} is no part of a date format`);
    pieces.push(piece);
  }
  const parts = pieces.flatMap((piece) => tokens[piece]?.[0] ?? []);
  const twice = parts.find((part, index) => parts.indexOf(part) !== index);
  if (twice !== undefined) throw badFormat(`${JSON.stringify(format)} has the ${twice} twice`);
  const missing = (["year", "month", "day"] as const).find((part) => !parts.includes(part));
  if (missing !== undefined) throw badFormat(`${JSON.stringify(format)} has no ${missing}`);
  if (pieces.some((piece) => piece.startsWith("h")) !== parts.includes("half")) {
    throw badFormat(`${JSON.stringify(format)}: hh and A go together, HH is for 24 hours`);
  }
  return pieces;
}

const badFormat = (message: string): OrderctlError =>
  new OrderctlError("usage", `--date-format: ${message}`, { hint: `it is made of ${known}` });

/** Unix time in µs of parts that are digits (or the name of a month); undefined where there is no such moment. */
export function timeOf(parts: DateParts): number | undefined {
  const { year, month, day, minute = "00", second = "00", zone = "Z" } = parts;
  const hour = hourOf(parts);
  const named = months.indexOf(month.toLowerCase()) + 1;
  const date = [fullYear(year), twoDigits(named > 0 ? String(named) : month), twoDigits(day)].join("-");
  if (hour === undefined || !isRealDay(date)) return undefined;
  const ms = Date.parse(`${date}T${twoDigits(hour)}:${minute}:${second}${zoneOf(zone)}`);
  return Number.isNaN(ms) ? undefined : ms * 1000;
}

const twoDigits = (text: string): string => text.padStart(2, "0");

/** Two digits are a year from 1969 to 2068, as POSIX has it. */
const fullYear = (year: string): string => (year.length > 2 ? year : `${year < "69" ? "20" : "19"}${year}`);

function hourOf({ hour = "0", half }: DateParts): string | undefined {
  if (half === undefined) return Number(hour) > 23 ? undefined : hour;
  if (Number(hour) < 1 || Number(hour) > 12) return undefined;
  return String((Number(hour) % 12) + (half.toLowerCase() === "pm" ? 12 : 0));
}

const zoneOf = (zone: string): string =>
  /^z$/i.test(zone) ? "Z" : `${zone.slice(0, 3)}:${zone.length > 3 ? zone.slice(-2) : "00"}`;

/** `Date.parse` takes February 30th for March 2nd. */
const isRealDay = (day: string): boolean => {
  const ms = Date.parse(`${day}T00:00Z`);
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(day);
};
