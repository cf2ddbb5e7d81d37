import type { Ora } from "ora";
import type { OrderctlError } from "../core/errors.ts";
import { printable, printableData, printableJson, printableLines } from "../core/foreign-text.ts";
import { maskText } from "../core/mask-secrets.ts";
import type { Note } from "../core/note.ts";
import { openTextScreen, type TextScreen } from "./text-screen.ts";

type Sink = NodeJS.WritableStream & { isTTY?: boolean; columns?: number };

/** The streams and settings of the outside world; tests bring their own. */
export type World = {
  env: NodeJS.ProcessEnv;
  stdin: NodeJS.ReadableStream;
  stdout: Sink;
  stderr: Sink;
  /** Aborts at the first SIGINT or SIGTERM, and when stdout cannot be written any more. */
  signal: AbortSignal;
};

/**
 * What a view may use: colours or none, its width in columns, which is infinite where nobody looks at a screen, and
 * characters beyond ASCII or none.
 */
export type Style = { colour: boolean; width: number; unicode: boolean };

/** Data → text, without a line break at the end. */
export type View<T> = (data: T, style: Style) => string;

/** A line that changes in place while work goes on; nothing is shown where stderr is no terminal. */
export type Progress = { update(text: string): void; end(): void };

/** The only code that writes: results to stdout, all else to stderr. */
export type Terminal = {
  /** Of stdout as it is now: a terminal may be made wider or narrower. */
  style(): Style;
  /** The same for what is noted. */
  readonly noteStyle: Style;
  readonly json: boolean;
  /** Is somebody watching stdout? */
  readonly live: boolean;
  /** For ink, which draws by itself. */
  readonly stdout: Sink;
  /** A view of data on stdout, for what draws by itself. Nothing in the data can act on a terminal; the view's own colours can. */
  render<T>(data: T, view: View<T>): string;
  /** Writes one result: rendered, or as one line of JSON `{kind, version, data}`. */
  show<T>(kind: string, data: T, view: View<T>): void;
  /** The same on stderr: where stdout holds something else, such as the events that a replay writes. */
  tell<T>(kind: string, data: T, view: View<T>): void;
  note: Note;
  fail(error: OrderctlError): void;
  progress(): Promise<Progress>;
  /** For somebody who watches stdout, once: results that are drawn in place, with what is noted above them. */
  openScreen(): TextScreen;
};

const schemaVersion = 1;
const defaultWidth = 100;

export function createTerminal({ env, stdout, stderr }: World, { json }: { json: boolean }): Terminal {
  const noting = styleOf(stderr, env);
  const write = (sink: Sink, text: string) => void sink.write(`${text}\n`);
  let screen: TextScreen | undefined;
  const asJson = (kind: string, data: unknown) =>
    printableJson(JSON.stringify({ kind, version: schemaVersion, data }));
  const render = <T>(data: T, view: View<T>) => view(printableData(data), styleOf(stdout, env));
  return {
    style: () => styleOf(stdout, env),
    noteStyle: noting,
    json,
    live: stdout.isTTY === true && !json,
    stdout,
    render,
    show: (kind, data, view) => write(stdout, json ? asJson(kind, data) : render(data, view)),
    tell: (kind, data, view) => write(stderr, json ? asJson(kind, data) : view(printableData(data), noting)),
    note(text) {
      const told = printableLines(maskText(text));
      if (screen) screen.note(told);
      else write(stderr, told);
    },
    fail(error) {
      const { code, exitCode } = error;
      // An address that was given is told back, and may have a password in it.
      const message = maskText(error.message);
      const hint = error.hint && maskText(error.hint);
      if (json) return write(stderr, asJson("error", { code, message, hint: hint ?? null, exitCode }));
      write(stderr, `${red(noting, "error:")} ${harmless(message)}`);
      if (hint) write(stderr, `  ${harmless(hint)}`);
    },
    progress: () => openProgress(stderr, !json && stderr.isTTY === true && stderr.columns !== 0),
    openScreen() {
      screen = openTextScreen({ stdout, stderr });
      return screen;
    },
  };
}

/** It may quote what a stranger sent: nothing of it moves the cursor or hides, or begins a line but as a hint does. */
const harmless = (text: string): string => text.split("\n  ").map(printable).join("\n  ");

async function openProgress(stream: Sink, shown: boolean): Promise<Progress> {
  if (!shown) return { update: () => {}, end: () => {} };
  const { default: ora } = await import("ora");
  const spinner: Ora = ora({ stream, discardStdin: false, hideCursor: true });
  return {
    update(text) {
      spinner.text = printable(text);
      if (!spinner.isSpinning) spinner.start();
    },
    end: () => void spinner.stop(),
  };
}

function styleOf(sink: Sink, env: NodeJS.ProcessEnv): Style {
  const asked = Math.max(0, Number(env.COLUMNS) || 0);
  // Some pseudo-terminals claim to have no columns.
  const width = sink.columns || asked || (sink.isTTY ? defaultWidth : Number.POSITIVE_INFINITY);
  return { colour: wantsColour(sink, env), width, unicode: isUtf8(env) };
}

/** https://no-color.org, and FORCE_COLOR as chalk and npm read it. */
function wantsColour(sink: Sink, env: NodeJS.ProcessEnv): boolean {
  if (env.NO_COLOR) return false;
  const forced = env.FORCE_COLOR;
  if (forced !== undefined) return forced !== "0" && forced !== "false";
  return sink.isTTY === true && env.TERM !== "dumb";
}

function isUtf8(env: NodeJS.ProcessEnv): boolean {
  if (process.platform === "win32") return true;
  const locale = env.LC_ALL || env.LC_CTYPE || env.LANG || "";
  return /utf-?8/i.test(locale);
}

const red = ({ colour }: Style, text: string): string => (colour ? `\u001b[31m${text}\u001b[39m` : text);
