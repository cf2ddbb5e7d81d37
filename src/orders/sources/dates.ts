import { compileDateFormat, type DateParts, type ReadDate, timeOf } from "./date-format.ts";
import { badRow } from "./source-item.ts";

/** Order of day and month in a numeric date that has the year last. */
type DayMonth = "D/M/Y" | "M/D/Y";
type Witness = { row: number; text: string };

const isoPattern =
  /^(?<year>\d{4})-(?<month>\d{2})-(?<day>\d{2})(?:[T ](?<hour>\d{2}):(?<minute>\d{2})(?::(?<second>\d{2}(?:\.\d+)?))?(?<zone>Z|[+-]\d{2}(?::?\d{2})?)?)?$/;
const numericPattern =
  /^(?<first>\d{1,2})(?<mark>[/.-])(?<second>\d{1,2})\k<mark>(?<year>\d{4}|\d{2})(?:\s+(?<time>\d{1,2}:\d{2}(?::\d{2})?)(?:\s*(?<half>[ap]m))?)?$/i;
/** Month, day, year and time as the public "Online Retail" files write them: `12/1/2010 8:26`. */
const retailPattern = /^[1-9]\d?\/[1-9]\d?\/(?:\d{4}|\d{2}) \d{1,2}:\d{2}$/;

/**
 * Reads the dates of one file without guessing: in the format that the user gave; else as ISO 8601, or as numbers with
 * the year last (`13/12/2010`, `1.2.24 8:26`) if the file as a whole allows only one order of day and month. So `look`
 * has to see every date of the file before `settle` decides how to read numeric ones. Throws `badRow` for a text that
 * is not a date.
 */
export class FileDates {
  readonly #format: { text: string; read: ReadDate } | undefined;
  readonly #isRetail: boolean;
  /** For each order of day and month, the first date that is valid in that order only. */
  readonly #only: Partial<Record<DayMonth, Witness>> = {};
  #retail: Witness | undefined;
  #last: { text: string; value: number | string } | undefined;

  /** Throws `usage` for an invalid format. */
  constructor(format: string | undefined, isRetail: boolean) {
    this.#format = format === undefined ? undefined : { text: format, read: compileDateFormat(format) };
    this.#isRetail = isRetail;
  }

  /**
   * Takes a date into account. Returns its Unix time in µs, `null` for an empty text, or the text itself if its meaning
   * depends on the rest of the file.
   */
  look(text: string, row: number): number | string | null {
    if (text === "") return null;
    if (text !== this.#last?.text) this.#last = { text, value: this.#take(text, row) };
    return this.#last.value;
  }

  #take(text: string, row: number): number | string {
    const readings = this.#format || isoPattern.test(text) ? undefined : readingsOf(text);
    if (readings === undefined) return this.#readAlone(text);
    const { "D/M/Y": dayFirst, "M/D/Y": monthFirst } = readings;
    if (dayFirst === undefined && monthFirst === undefined) throw noDay(text);
    if (dayFirst === undefined) this.#only["M/D/Y"] ??= { row, text };
    else if (monthFirst === undefined) this.#only["D/M/Y"] ??= { row, text };
    else if (dayFirst === monthFirst) return checkAge(dayFirst, text);
    else if (this.#isRetail && retailPattern.test(text)) this.#retail ??= { row, text };
    return text;
  }

  #readAlone(text: string): number {
    if (this.#format !== undefined) {
      const us = this.#format.read(text);
      if (us === undefined) throw badRow(`date ${quote(text)} is not a date written ${this.#format.text}`);
      return checkAge(us, text);
    }
    const iso = isoPattern.exec(text)?.groups;
    if (iso === undefined)
      throw badRow(`date ${quote(text)} cannot be read; --date-format says how dates are written`);
    const us = timeOf(iso as DateParts);
    if (us === undefined) throw noDay(text);
    return checkAge(us, text);
  }

  /**
   * To be called once, after `look` has seen the whole file. `read` reads the texts that `look` returned; `told` says,
   * for people, which order of day and month was chosen, and why; undefined if none was.
   */
  settle(): { read: (text: string) => number; told: string | undefined } {
    const { "D/M/Y": dayFirst, "M/D/Y": monthFirst } = this.#only;
    if (dayFirst && monthFirst) {
      const both = `${where(dayFirst)} and ${where(monthFirst)}`;
      return {
        read: refuse(`${both} contradict each other; --date-format says which is meant`),
        told: undefined,
      };
    }
    const order = dayFirst ? "D/M/Y" : "M/D/Y";
    const witness = dayFirst ?? monthFirst;
    if (witness)
      return { read: readAs(order), told: `dates are read as ${order}, as ${where(witness)} shows` };
    if (!this.#retail) return { read: refuse(eitherWay), told: undefined };
    const day = new Date(readAs(order)(this.#retail.text) / 1000).toISOString().slice(0, 10);
    const example = `${where(this.#retail)} is ${day}`;
    return {
      read: remembering((text) => (retailPattern.test(text) ? readAs(order) : refuse(eitherWay))(text)),
      told: `dates are read as M/D/Y H:mm, as the public retail files have them (${example}); --date-format says otherwise`,
    };
  }
}

const eitherWay =
  "can be day/month or month/day; --date-format says which: DD/MM/YYYY or MM/DD/YYYY, with HH:mm where there is a time";

/**
 * The Unix time in µs under each order of day and month, undefined if there is no such day; undefined as a whole if the
 * text is not a numeric date with the year last.
 */
function readingsOf(text: string): Record<DayMonth, number | undefined> | undefined {
  const parts = numericPattern.exec(text)?.groups;
  if (parts === undefined) return undefined;
  const { first = "", second = "", year = "", time = "", half } = parts;
  const [hour, minute, seconds] = time === "" ? [] : time.split(":");
  const read = (day: string, month: string) =>
    timeOf({ year, month, day, hour, minute, second: seconds, half });
  return { "D/M/Y": read(first, second), "M/D/Y": read(second, first) };
}

const readAs =
  (order: DayMonth) =>
  (text: string): number => {
    const us = readingsOf(text)?.[order];
    if (us === undefined) throw noDay(text);
    return checkAge(us, text);
  };

/** Caches the last date read: the rows of one order mostly have the same date. */
function remembering(read: (text: string) => number): (text: string) => number {
  let last: { text: string; us: number } | undefined;
  return (text) => {
    if (text !== last?.text) last = { text, us: read(text) };
    return last.us;
  };
}

const refuse =
  (reason: string) =>
  (text: string): never => {
    throw badRow(`date ${quote(text)}: ${reason}`);
  };

const where = ({ row, text }: Witness): string => `${quote(text)} in line ${row}`;

const noDay = (text: string) => badRow(`date ${quote(text)} is no day or time of the calendar`);

function checkAge(us: number, text: string): number {
  if (us < 0) throw badRow(`date ${quote(text)} is before 1970`);
  return us;
}

const quote = (text: string): string => JSON.stringify(text.slice(0, 40));
