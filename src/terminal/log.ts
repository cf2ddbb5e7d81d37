import { setTimeout as wait } from "node:timers/promises";
import type { Logger } from "pino";
import { OrderctlError } from "../core/errors.ts";
import { printable, printableJson } from "../core/foreign-text.ts";
import { maskFields, maskText } from "../core/mask-secrets.ts";

/** The three ids are written as `trace_id`, `span_id` and `order_id`, all else by its own name. */
export type LogFields = {
  readonly traceId?: string | undefined;
  readonly spanId?: string | undefined;
  readonly orderId?: string | undefined;
  readonly [name: string]: string | number | boolean | null | undefined;
};

type Say = (text: string, fields?: LogFields) => void;

/** One line per call, handed to the stream before the call returns. Nothing here throws, and no secret is written. */
export type Log = {
  readonly debug: Say;
  readonly info: Say;
  readonly warn: Say;
  readonly error: Say;
  /** With these fields in each line; of those of one name, the innermost counts. */
  child(fields: LogFields): Log;
  /** For the end of a process: a full pipe keeps lines back. Resolves once it has taken them, within a second. */
  flush(): Promise<void>;
};

export const logLevels = ["trace", "debug", "info", "warn", "error", "silent"] as const;

export type LogLevel = (typeof logLevels)[number];

/** Throws `usage` for anything else. */
export function parseLogLevel(text: string): LogLevel {
  const level = logLevels.find((each) => each === text.trim().toLowerCase());
  if (level !== undefined) return level;
  throw new OrderctlError("usage", `${JSON.stringify(text)} is no log level`, {
    hint: `one of ${logLevels.join(", ")} (--log-level, env ORDERCTL_LOG_LEVEL)`,
  });
}

/** Of a stream, as much as is needed; a function that takes a line will do. */
export type LogStream = {
  write(text: string, written?: () => void): unknown;
  on?(event: "error", listener: () => void): unknown;
  readonly writableLength?: number;
};

export type LogOptions = {
  stream: LogStream;
  level: LogLevel;
  /** One line for the eye instead of JSON; `colour` is for this form alone. */
  pretty: boolean;
  colour: boolean;
  /** For every line of the JSON form: `service`, `instance`. */
  fields: LogFields;
};

/** Loads pino, so for commands that run for long. */
export async function createLog({ stream, level, pretty, colour, fields }: LogOptions): Promise<Log> {
  const { pino, stdTimeFunctions } = await import("pino");
  const target = unbreakable(stream);
  const options = {
    level,
    base: null,
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  const logger = pino(options, {
    write: (line) => target.write(pretty ? prettyLine(JSON.parse(line), colour) : printableJson(line)),
  });
  return bind({ logger, flush: target.flush }, pretty ? {} : fields);
}

/** A log must not end the work it tells of: what breaks (a closed pipe) is not written to again. */
function unbreakable(stream: LogStream): { write(text: string): void; flush(): Promise<void> } {
  let broken = false;
  stream.on?.("error", () => {
    broken = true;
  });
  return {
    write(text) {
      if (broken) return;
      try {
        stream.write(text);
      } catch {
        broken = true;
      }
    },
    async flush() {
      if (broken || !stream.writableLength) return;
      const written = new Promise<void>((resolve) => void stream.write("", resolve));
      await Promise.race([written, wait(1000, undefined, { ref: false })]);
    },
  };
}

/** The fields are joined here: pino's own children would write a name twice. */
function bind(root: { logger: Logger; flush(): Promise<void> }, bound: LogFields): Log {
  const { logger, flush } = root;
  const say = (level: "debug" | "info" | "warn" | "error"): Say => {
    return (text, fields) => {
      if (logger.isLevelEnabled(level)) logger[level](recordOf({ ...bound, ...fields }), maskText(text));
    };
  };
  return {
    debug: say("debug"),
    info: say("info"),
    warn: say("warn"),
    error: say("error"),
    child: (fields) => bind(root, { ...bound, ...fields }),
    flush,
  };
}

const names: Readonly<Record<string, string>> = {
  traceId: "trace_id",
  spanId: "span_id",
  orderId: "order_id",
  // These are the line's own.
  time: "time_",
  level: "level_",
  msg: "msg_",
};

const recordOf = (fields: LogFields): Record<string, unknown> =>
  Object.fromEntries(Object.entries(maskFields(fields)).map(([name, value]) => [names[name] ?? name, value]));

type Line = { time: string; level: string; msg: string; [name: string]: unknown };

/** `04:21:07 WARN  lost the broker order_id=A-1001`, with the time of this place. */
function prettyLine({ time, level, msg, ...fields }: Line, colour: boolean): string {
  const clock = new Date(time).toTimeString().slice(0, 8);
  const pairs = Object.entries(fields).map(([name, value]) => ` ${oneLine(name)}=${valueText(value)}`);
  const word = level.toUpperCase().padEnd(5);
  if (!colour) return `${clock} ${word} ${oneLine(msg)}${pairs.join("")}\n`;
  const shown = paint(colours[level] ?? plain, word);
  return `${paint(dim, clock)} ${shown} ${oneLine(msg)}${paint(dim, pairs.join(""))}\n`;
}

/** What could begin a line of its own or move the cursor becomes `?`, line breaks a space. */
const oneLine = (text: string): string => printable(text.replace(/\s*[\r\n\u2028\u2029]\s*/g, " "));

/** In quotes where it could be taken for more than one value. */
function valueText(value: unknown): string {
  const text = oneLine(typeof value === "string" ? value : JSON.stringify(value));
  return typeof value === "string" && !/^[^\s"=]+$/.test(text) ? JSON.stringify(text) : text;
}

const dim = ["\u001b[2m", "\u001b[22m"] as const;
const plain = ["", ""] as const;
const colours: Readonly<Record<string, readonly [string, string]>> = {
  debug: dim,
  warn: ["\u001b[33m", "\u001b[39m"],
  error: ["\u001b[31m", "\u001b[39m"],
};

const paint = ([on, off]: readonly [string, string], text: string): string =>
  text === "" ? "" : on + text + off;
