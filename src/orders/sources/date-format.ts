import { OrderctlError } from "../../core/errors.ts";

/**
 * Unix time in µs of a date, in UTC if it names no zone; undefined for a text that does not have the format or is not a
 * day of the calendar.
 */
export type ReadDate = (text: string) => number | undefined;

/** The parts of a date as its text has them; `year` may have two digits. */
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

/**
 * Each token with the name and pattern of its group. A part may lack its leading zero, unless digits of another part
 * directly follow or precede it.
 */
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

/** Compiles a date format such as `DD/MM/YYYY HH:mm`. Throws `usage` if it is not a valid format. */
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

/**
 * Unix time in µs of parts that are digits (or the name of a month); undefined if there is no such moment. Per row of a
 * file: < 1 µs.
 */
export function timeOf(parts: DateParts): number | undefined {
  const { minute = "0", second = "0", zone = "Z" } = parts;
  const year = fullYear(parts.year);
  const month = months.indexOf(parts.month.toLowerCase()) + 1 || Number(parts.month);
  const day = Number(parts.day);
  const hour = hourOf(parts);
  const offsetMs = offsetOf(zone);
  if (hour === undefined || offsetMs === undefined || Number(minute) > 59 || Number(second) >= 60)
    return undefined;
  const midnight = new Date(Date.UTC(year, month - 1, day));
  // `Date.UTC` turns February 30th into March 2nd, and the year 1 into 1901.
  const isReal = midnight.getUTCDate() === day && midnight.getUTCMonth() + 1 === month;
  if (!isReal || midnight.getUTCFullYear() !== year) return undefined;
  const minutes = hour * 60 + Number(minute);
  return (midnight.getTime() + minutes * 60_000 - offsetMs) * 1000 + Math.round(Number(second) * 1e6);
}

/** Two digits mean a year from 1969 to 2068, as in POSIX. */
function fullYear(text: string): number {
  const year = Number(text);
  if (text.length > 2) return year;
  return year < 69 ? 2000 + year : 1900 + year;
}

function hourOf({ hour = "0", half }: DateParts): number | undefined {
  const value = Number(hour);
  if (half === undefined) return value > 23 ? undefined : value;
  if (value < 1 || value > 12) return undefined;
  return (value % 12) + (half.toLowerCase() === "pm" ? 12 : 0);
}

function offsetOf(zone: string): number | undefined {
  if (zone.toLowerCase() === "z") return 0;
  const hours = Number(zone.slice(1, 3));
  const minutes = zone.length > 3 ? Number(zone.slice(-2)) : 0;
  if (hours > 23 || minutes > 59) return undefined;
  return (hours * 60 + minutes) * 60_000 * (zone.startsWith("-") ? -1 : 1);
}
