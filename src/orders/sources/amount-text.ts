import { badRow } from "./source-item.ts";

/** The decimal mark of a file; `isStated` if the user named it. */
export type DecimalMark = { mark: "." | ","; isStated: boolean };

/**
 * Marks that may separate thousands, besides the point or comma that is not the decimal mark: spaces of any width,
 * apostrophes.
 */
const groupMarks = " \u00a0\u2009\u202f'\u2019";

const patternsOf = (mark: string, other: string) => ({
  plain: new RegExp(`^[+-]?\\d*(?:\\${mark}\\d*)?$`),
  grouped: new RegExp(`^[+-]?\\d{1,3}([${groupMarks}\\${other}])\\d{3}(?:\\1\\d{3})*(?:\\${mark}\\d*)?$`),
});

const names = { ".": "point", ",": "comma" };
const patterns = { ".": patternsOf(".", ","), ",": patternsOf(",", ".") };

/**
 * Converts a number as people write it to one with a decimal point and no marks between thousands; a text that is not a
 * number is returned unchanged. Throws `badRow` if the marks contradict the file's decimal mark, or allow two readings.
 */
export function plainNumber(text: string, { mark, isStated }: DecimalMark): string {
  const { plain, grouped } = patterns[mark];
  if (plain.test(text)) return text.replace(",", ".");
  const other = mark === "." ? "," : ".";
  const [, group] = grouped.exec(text) ?? [];
  if (group === undefined) {
    if (!isNumber(text, other)) return text;
    throw badRow(
      `${quote(text)} has a decimal ${names[other]}, this file a decimal ${names[mark]}; --decimal ${other} reads it`,
    );
  }
  if (group === other && !isStated && text.split(/[.,]/).length === 2) {
    const [one, another] = [text.replace(group, ""), text.replace(group, ".")];
    throw badRow(`${quote(text)} can be ${one} or ${another}; --decimal . or --decimal , says which`);
  }
  return text.replaceAll(group, "").replace(",", ".");
}

const isNumber = (text: string, mark: "." | ","): boolean =>
  /\d/.test(text) && (patterns[mark].plain.test(text) || patterns[mark].grouped.test(text));

const quote = (text: string): string => JSON.stringify(text.slice(0, 40));
