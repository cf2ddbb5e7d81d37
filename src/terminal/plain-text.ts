import type { Style } from "./terminal.ts";

/** `text` within `width` columns, the middle left out: of ids and host names, both ends tell them apart. */
export function cutMiddle(text: string, width: number, { unicode }: Pick<Style, "unicode">): string {
  if (text.length <= width) return text;
  const head = Math.ceil((width - 1) / 2);
  return `${text.slice(0, head)}${unicode ? "…" : "~"}${text.slice(text.length - (width - 1 - head))}`;
}

/** No word of ours is longer; one of others must not fill the screen. */
const longestWord = 300;

/** Words in lines of at most `width` columns; a longer word stands alone. */
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
