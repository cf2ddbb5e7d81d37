import type { Style } from "./terminal.ts";

/** `text` cut to `width` columns by leaving out the middle, since ids and host names differ at both ends. */
export function cutMiddle(text: string, width: number, { unicode }: Pick<Style, "unicode">): string {
  if (text.length <= width) return text;
  const head = Math.ceil((width - 1) / 2);
  return `${text.slice(0, head)}${unicode ? "…" : "~"}${text.slice(text.length - (width - 1 - head))}`;
}

/** No word of this program's own texts is longer; a longer foreign word is cut so that it does not fill the screen. */
const longestWord = 300;

/** Breaks a text into lines of at most `width` columns; a longer word gets a line of its own. */
export function wrapWords(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const whole of text.split(" ")) {
    const word = cutMiddle(whole, longestWord, { unicode: false });
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
