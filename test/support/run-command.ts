import { PassThrough, Readable } from "node:stream";
import { run } from "../../src/cli.ts";

export type Ran = {
  exitCode: number;
  stdout: string;
  stderr: string;
  /** Each line of stdout, parsed; for `--json`. */
  lines(): { kind: string; version: number; data: never }[];
};

export type RunOptions = {
  env?: NodeJS.ProcessEnv;
  /** A text with its end, or what tells more as it comes. */
  stdin?: string | Readable;
  signal?: AbortSignal;
  columns?: number;
  /** Told of stdout and stderr as it comes. */
  onStdout?: (text: string) => void;
  onStderr?: (text: string) => void;
};

/** Runs a command line inside the test's process, on streams that are no terminals. */
export async function runCommand(line: string | string[], options: RunOptions = {}): Promise<Ran> {
  const out = collect(options.columns, options.onStdout);
  const err = collect(options.columns, options.onStderr);
  const argv = typeof line === "string" ? line.split(/ +/) : line;
  const env = { LANG: "en_US.UTF-8", NO_COLOR: "1", HOME: "/nonexistent", ...options.env };
  const { stdin: input = "" } = options;
  const stdin = typeof input === "string" ? Readable.from(input === "" ? [] : [Buffer.from(input)]) : input;
  const signal = options.signal ?? new AbortController().signal;
  const exitCode = await run(argv, { env, stdin, stdout: out.sink, stderr: err.sink, signal });
  const stdout = out.text();
  const lines = () =>
    stdout
      .split("\n")
      .filter((text) => text !== "")
      .map((text) => JSON.parse(text));
  return { exitCode, stdout, stderr: err.text(), lines };
}

function collect(columns = 100, onText: (text: string) => void = () => {}) {
  const chunks: Buffer[] = [];
  const sink = Object.assign(new PassThrough(), { isTTY: false, columns });
  sink.on("data", (chunk: Buffer) => {
    chunks.push(chunk);
    onText(String(chunk));
  });
  return { sink, text: () => Buffer.concat(chunks).toString() };
}
