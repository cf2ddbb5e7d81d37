import type { Style } from "../../terminal/terminal.ts";

/** Bars need a finite width: output that goes to no terminal is drawn 100 columns wide. */
export const drawable = (style: Style): Style =>
  Number.isFinite(style.width) ? style : { ...style, width: 100 };

/** Text from another program; in ASCII if the terminal supports no more. */
export const safeText = (text: string, { unicode }: Style): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the range is all of ASCII
  unicode ? text : text.replace(/…/g, "...").replace(/[^\u0000-\u007f]/gu, "?");

/** East Asian wide and fullwidth characters and emoji take two columns, combining marks none. */
const wide =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}|[\u{20000}-\u{3fffd}]/u;
const mark = /\p{M}/u;

const widthOfChar = (char: string): number => (mark.test(char) ? 0 : wide.test(char) ? 2 : 1);

// biome-ignore lint/suspicious/noControlCharactersInRegex: the range is all of ASCII
const isNarrow = (text: string): boolean => /^[\u0000-\u007f]*$/.test(text);

/** The number of columns that a text takes on the terminal. */
export const textWidth = (text: string): number =>
  isNarrow(text) ? text.length : [...text].reduce((sum, char) => sum + widthOfChar(char), 0);

/** `text` cut to at most `width` columns, with a mark at the cut end. */
export function cutToWidth(text: string, width: number, { unicode }: Style): string {
  if (textWidth(text) <= width) return text;
  let cut = "";
  let left = width - 1;
  for (const char of text) {
    left -= widthOfChar(char);
    if (left < 0) break;
    cut += char;
  }
  return width > 0 ? cut + (unicode ? "…" : "~") : "";
}

/** `text` cut or padded to exactly `width` columns. */
export function fitToWidth(text: string, width: number, style: Style & { align?: "left" | "right" }): string {
  const cut = cutToWidth(text, width, style);
  const blank = " ".repeat(Math.max(0, width - textWidth(cut)));
  return style.align === "right" ? blank + cut : cut + blank;
}

/** Writes µs as us in ASCII output, which keeps the columns aligned. */
export const plainUnits = (text: string, { unicode }: Style): string =>
  unicode ? text : text.replaceAll("µs", "us");
