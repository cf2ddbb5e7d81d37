import { clearScreenDown, moveCursor } from "node:readline";
import { stripVTControlCharacters } from "node:util";
import { Box, render, Text, useStderr } from "ink";

/** A text that is redrawn in place, with notes that scroll by above it. */
export type LiveScreen = {
  draw(text: string): void;
  /** Writes to stderr, also after `close`. */
  note(text: string): void;
  /** Ends the redrawing: the last text stays on the terminal, below it the cursor is shown again. */
  close(): void;
};

type Sized = NodeJS.WritableStream & { rows?: number; columns?: number };
type Streams = { stdout: Sized; stderr: NodeJS.WritableStream };

/** The most columns that are drawn, also where the terminal reports 0 columns, as some pseudo-terminals do. */
const mostColumns = 1000;

/**
 * Opens the only Ink screen of the process. Draws only as many lines as the terminal has rows, because a line that has
 * scrolled off the top cannot be redrawn; each line takes one row. Stdin is left alone, so that Ctrl-C is a SIGINT.
 */
export function openLiveScreen({ stdout, stderr }: Streams): LiveScreen {
  let text: string | undefined;
  let drawn = { lines: [] as string[], columns: 0 };
  let isOpen = true;
  let noteAbove = (_note: string) => {};
  const Live = () => {
    noteAbove = useStderr().write;
    return drawn.lines.length > 0 && <Lines text={drawn.lines.join("\n")} />;
  };
  const redraw = () => {
    if (text === undefined || !isOpen) return;
    drawn = { lines: fitting(text.split("\n"), stdout.rows || 24), columns: columnsOf(stdout) };
    instance.rerender(<Live />);
  };
  const onResize = () => {
    eraseWrapped(stdout, drawn);
    redraw();
  };
  // Called before Ink's own listener, which erases one row for each line.
  stdout.on("resize", onResize);
  const options = { stdout: forInk(stdout), stderr: stderr as NodeJS.WriteStream };
  const instance = render(<Live />, { ...options, exitOnCtrlC: false, patchConsole: false });
  return {
    draw(next) {
      text = next;
      redraw();
    },
    note(told) {
      if (isOpen && text !== undefined) noteAbove(`${told}\n`);
      else stderr.write(`${told}\n`);
    },
    close() {
      isOpen = false;
      stdout.off("resize", onResize);
      instance.unmount();
    },
  };
}

/** Lines of text with their own colours, cut at the width of the terminal. */
export const Lines = ({ text }: { text: string }) => (
  <Box overflowX="hidden">
    <Box width={mostColumns} flexShrink={0}>
      <Text>{text}</Text>
    </Box>
  </Box>
);

/**
 * The stream as Ink is to see it. It has no rows, because for what fills them Ink clears the whole terminal, also what
 * was there before.
 */
const forInk = (stdout: Sized): NodeJS.WriteStream =>
  new Proxy(stdout as NodeJS.WriteStream, {
    get(target, name) {
      if (name === "rows") return undefined;
      if (name === "columns") return columnsOf(stdout);
      const value = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });

const columnsOf = ({ columns }: Sized): number => Math.min(columns || mostColumns, mostColumns);

/** Erases the rows that the drawn lines take beyond one each, because the terminal was made narrower since. */
function eraseWrapped(stdout: Sized, { lines, columns }: { lines: string[]; columns: number }): void {
  const now = columnsOf(stdout);
  const rowsOf = (line: string) =>
    Math.ceil(Math.min(columns, stripVTControlCharacters(line).trimEnd().length) / now);
  const beyond = lines.reduce((sum, line) => sum + Math.max(1, rowsOf(line)) - 1, 0);
  if (beyond === 0) return;
  moveCursor(stdout, 0, -beyond);
  clearScreenDown(stdout);
}

function fitting(lines: string[], rows: number): string[] {
  const most = Math.max(2, rows - 1);
  return lines.length <= most
    ? lines
    : [...lines.slice(0, most - 1), `${lines.length - most + 1} more lines`];
}
