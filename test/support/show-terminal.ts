import { PassThrough } from "node:stream";

export type Size = { rows: number; columns?: number };

const control = String.fromCharCode(27);
const token = new RegExp(`${control}\\[([?\\d]*)([A-Za-z])|\\n|[^\\n${control}]+`, "g");

/**
 * A terminal as far as Ink needs one: what it shows, of which the cursor's moves up and to the left, erasing, and line
 * breaks are known. Lines that are too wide are wrapped, also those that are there when it is made narrower.
 */
export function showTerminal({ rows, columns = 80 }: Size) {
  const stdout = Object.assign(new PassThrough(), { isTTY: true, rows, columns });
  let lines = [""];
  let row = 0;
  let isCursorShown = true;
  let written = "";
  const wrap = (line: string) =>
    stdout.columns === 0 ? [line] : (line.match(new RegExp(`.{1,${stdout.columns}}`, "g")) ?? [""]);
  const obey = (parameter: string, final: string) => {
    if (final === "A") row = Math.max(0, row - (Number(parameter) || 1));
    if (final === "K") lines[row] = "";
    if (final === "J") lines = [...lines.slice(0, row), ""];
    if (parameter === "?25") isCursorShown = final === "h";
  };
  const print = (text: string) => {
    const wrapped = wrap((lines[row] ?? "") + text);
    lines.splice(row, wrapped.length, ...wrapped);
    row += wrapped.length - 1;
  };
  const write = (chunk: Buffer) => {
    written += chunk;
    for (const [text, parameter = "", final] of String(chunk).matchAll(token)) {
      if (final !== undefined) obey(parameter, final);
      else if (text === "\n") lines[++row] ??= "";
      else print(text);
    }
  };
  stdout.on("data", write);
  let said = "";
  const stderr = new PassThrough().on("data", (chunk) => {
    said += chunk;
    write(chunk);
  });
  return {
    stdout,
    stderr,
    /** The lines above the empty one at the end. */
    shown: () => lines.slice(0, lines.findLastIndex((line) => line !== "") + 1),
    written: () => written,
    said: () => said,
    isCursorShown: () => isCursorShown,
    resize(to: Partial<Size>) {
      Object.assign(stdout, to);
      const above = lines.slice(0, row).flatMap(wrap);
      lines = [...above, ...lines.slice(row).flatMap(wrap)];
      row = above.length;
      stdout.emit("resize");
    },
  };
}
