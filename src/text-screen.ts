/** A text that is drawn again in place, the last one stays; what is noted scrolls by above it. */
export type TextScreen = { draw(text: string): void; note(text: string): void };

type Streams = { stdout: NodeJS.WritableStream & { rows?: number }; stderr: NodeJS.WritableStream };

/** Only what fits below one another is drawn: what has scrolled off the top cannot be drawn again. */
export function openTextScreen({ stdout, stderr }: Streams): TextScreen {
  let drawn: string[] = [];
  const erase = () => (drawn.length > 0 ? `\u001b[${drawn.length}F\u001b[0J` : "");
  const textOf = (lines: readonly string[]) => lines.map((line) => `${line}\n`).join("");
  return {
    draw(text) {
      const before = erase();
      drawn = fitting(text.split("\n"), stdout.rows ?? 24);
      stdout.write(before + textOf(drawn));
    },
    note(text) {
      stdout.write(erase());
      stderr.write(`${text}\n`);
      stdout.write(textOf(drawn));
    },
  };
}

function fitting(lines: string[], rows: number): string[] {
  const most = Math.max(2, rows - 1);
  return lines.length <= most
    ? lines
    : [...lines.slice(0, most - 1), `${lines.length - most + 1} more lines`];
}
