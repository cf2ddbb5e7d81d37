import { stripVTControlCharacters } from "node:util";

/** A text that is redrawn in place, with notes that scroll by above it. The last text stays on the screen. */
export type TextScreen = { draw(text: string): void; note(text: string): void };

type Sized = NodeJS.WritableStream & { rows?: number; columns?: number };
type Streams = { stdout: Sized; stderr: NodeJS.WritableStream };

/** DECAWM, https://vt100.net/docs/vt510-rm/DECAWM.html: while it is off, the terminal cuts lines that are too wide. */
const wrapOff = "\u001b[?7l";
const wrapOn = "\u001b[?7h";

/**
 * Draws only as many lines as the terminal has rows, because a line that has scrolled off the top cannot be redrawn.
 * The terminal cuts lines that are too wide, so that each takes one row.
 */
export function openTextScreen({ stdout, stderr }: Streams): TextScreen {
  let drawn: string[] = [];
  let drawnAt = 0;
  // Some pseudo-terminals report 0 rows or 0 columns.
  const columns = () => stdout.columns || Number.POSITIVE_INFINITY;
  const erase = () => {
    const rows = drawn.reduce((sum, line) => sum + rowsOf(line, drawnAt, columns()), 0);
    return rows > 0 ? `\u001b[${rows}F\u001b[0J` : "";
  };
  const textOfDrawn = () => {
    drawnAt = columns();
    return `${wrapOff}${drawn.map((line) => `${line}\n`).join("")}${wrapOn}`;
  };
  return {
    draw(text) {
      const before = erase();
      drawn = fitting(text.split("\n"), stdout.rows || 24);
      stdout.write(before + textOfDrawn());
    },
    note(text) {
      stdout.write(erase());
      stderr.write(`${text}\n`);
      if (drawn.length > 0) stdout.write(textOfDrawn());
    },
  };
}

/** How many rows a drawn line takes now: it wraps if the terminal was made narrower since. */
function rowsOf(line: string, drawnAt: number, columns: number): number {
  const width = Math.min(drawnAt, stripVTControlCharacters(line).length);
  return Math.max(1, Math.ceil(width / columns));
}

function fitting(lines: string[], rows: number): string[] {
  const most = Math.max(2, rows - 1);
  return lines.length <= most
    ? lines
    : [...lines.slice(0, most - 1), `${lines.length - most + 1} more lines`];
}
