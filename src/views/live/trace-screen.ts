/** A text that is drawn again in place; the last one stays. */
export type TraceScreen = { draw(text: string): void };

/** Only what fits below one another is drawn: what has scrolled off the top cannot be drawn again. */
export function openTraceScreen(stdout: NodeJS.WritableStream & { rows?: number }): TraceScreen {
  let drawn = 0;
  return {
    draw(text) {
      const lines = text.split("\n");
      const most = Math.max(2, (stdout.rows ?? 24) - 1);
      const shown =
        lines.length <= most ? lines : [...lines.slice(0, most - 1), `${lines.length - most + 1} more lines`];
      stdout.write(`${drawn > 0 ? `\u001b[${drawn}F\u001b[0J` : ""}${shown.join("\n")}\n`);
      drawn = shown.length;
    },
  };
}
