import type { Ora } from "ora";
import type { OrderctlError } from "../core/errors.ts";
import { printable, printableData, printableJson, printableLines } from "../core/foreign-text.ts";
import { maskText } from "../core/mask-secrets.ts";
import type { Note } from "../core/note.ts";
import type { LiveScreen } from "./live-screen.tsx";

type Sink = NodeJS.WritableStream & { isTTY?: boolean; rows?: number; columns?: number };

/** The streams, the environment and the stop signal of the process; tests pass their own. */
export type World = {
  env: NodeJS.ProcessEnv;
  stdin: NodeJS.ReadableStream;
  stdout: Sink;
  stderr: Sink;
  /** Aborts at the first SIGINT or SIGTERM, and when stdout cannot be written any more. */
  signal: AbortSignal;
};

/**
 * What a view may use: colours or none; its width in columns, which is infinite if the output is no terminal and
 * COLUMNS is not set; characters beyond ASCII or none.
 */
export type Style = { colour: boolean; width: number; unicode: boolean };

/** Turns data into text without a line break at the end. */
export type View<T> = (data: T, style: Style) => string;

/** A status line on stderr that changes in place while work goes on; not shown if stderr is no terminal. */
export type Progress = { update(text: string): void; end(): void };

/** All output of a command goes through this: results to stdout, everything else to stderr. */
export type Terminal = {
  /** The style for stdout, read at each call because a terminal may be resized. */
  style(): Style;
  /** The style for notes on stderr. */
  readonly noteStyle: Style;
  readonly json: boolean;
  /** Whether stdout is a terminal and shows views instead of JSON. */
  readonly live: boolean;
  /** For what is no text of a view, such as the bytes of a file. */
  readonly stdout: Sink;
  /**
   * The text of a view, for code that draws on stdout itself. Control characters in the data are replaced; the view's
   * own colours stay.
   */
  render<T>(data: T, view: View<T>): string;
  /** Writes one result: the rendered view, or one line of JSON `{kind, version, data}`. */
  show<T>(kind: string, data: T, view: View<T>): void;
  /**
   * As `show`, but on stderr: for commands whose stdout holds something else, such as the events that a replay writes.
   */
  tell<T>(kind: string, data: T, view: View<T>): void;
  note: Note;
  /** Tells why a command failed, and below it the hint. */
  fail(error: OrderctlError, hint: string | undefined): void;
  progress(): Promise<Progress>;
  /**
   * Results that are redrawn in place on a live stdout, with notes above them. Loads Ink. Call it only once, and close
   * the screen before the command ends, so that an error is shown below it.
   */
  openScreen(): Promise<LiveScreen>;
};

const schemaVersion = 1;
const defaultWidth = 100;

export function createTerminal({ env, stdout, stderr }: World, { json }: { json: boolean }): Terminal {
  const noting = styleOf(stderr, env);
  const write = (sink: Sink, text: string) => void sink.write(`${text}\n`);
  let screen: LiveScreen | undefined;
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
    fail({ code, exitCode, message: told }, hinted) {
      // The message may quote a server address with a password in it.
      const message = maskText(told);
      const hint = hinted && maskText(hinted);
      if (json) return write(stderr, asJson("error", { code, message, hint: hint ?? null, exitCode }));
      write(stderr, `${red(noting, "error:")} ${harmless(message)}`);
      if (hint) write(stderr, `  ${harmless(hint)}`);
    },
    progress: () => openProgress(stderr, !json && stderr.isTTY === true && stderr.columns !== 0),
    async openScreen() {
      const { openLiveScreen } = await import("./live-screen.tsx");
      screen = openLiveScreen({ stdout, stderr });
      return screen;
    },
  };
}

/**
 * The text may quote foreign data: nothing in it may move the cursor, hide text or start a line that is not indented
 * like a hint.
 */
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
  // Some pseudo-terminals report 0 columns.
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
