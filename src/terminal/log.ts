import { setTimeout as wait } from "node:timers/promises";
import type { Logger } from "pino";
import { OrderctlError } from "../core/errors.ts";
import { printable, printableJson } from "../core/foreign-text.ts";
import { maskFields, maskText } from "../core/mask-secrets.ts";

/**
 * The fields of a log line. The three ids are written as `trace_id`, `span_id` and `order_id`, all other fields by
 * their own names.
 */
export type LogFields = {
  readonly traceId?: string | undefined;
  readonly spanId?: string | undefined;
  readonly orderId?: string | undefined;
  readonly [name: string]: string | number | boolean | null | undefined;
};

type Say = (text: string, fields?: LogFields) => void;

/** Writes one line per call, handed to the stream before the call returns. No method throws, and secrets are masked. */
export type Log = {
  readonly debug: Say;
  readonly info: Say;
  readonly warn: Say;
  readonly error: Say;
  /** A log that adds these fields to each line; they replace fields of the same name in this log. */
  child(fields: LogFields): Log;
  /**
   * Call it before the process ends: a full pipe leaves lines in the stream's buffer. Resolves once they are written,
   * or after a second.
   */
  flush(): Promise<void>;
};

export const logLevels = ["trace", "debug", "info", "warn", "error", "silent"] as const;

export type LogLevel = (typeof logLevels)[number];

/** Reads the name of a log level, in upper or lower case; throws `usage` for any other text. */
export function parseLogLevel(text: string): LogLevel {
  const level = logLevels.find((each) => each === text.trim().toLowerCase());
  if (level !== undefined) return level;
  throw new OrderctlError("usage", `${JSON.stringify(text)} is no log level`, {
    hint: `one of ${logLevels.join(", ")} (--log-level, env ORDERCTL_LOG_LEVEL)`,
  });
}

/** The part of a writable stream that the log needs; only `write` is required. */
export type LogStream = {
  write(text: string, written?: () => void): unknown;
  on?(event: "error", listener: () => void): unknown;
  readonly writableLength?: number;
};

export type LogOptions = {
  stream: LogStream;
  level: LogLevel;
  /** Writes lines for people instead of JSON; `colour` applies only to these. */
  pretty: boolean;
  colour: boolean;
  /** Added to every line of the JSON form: `service`, `instance`. */
  fields: LogFields;
};

/** Opens a log. Loads pino, so use it only for commands that run for long. */
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

/**
 * Wraps the stream so that a failed write (a closed pipe) does not end the process; after it, nothing more is written.
 */
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

/** The fields are merged here, because pino's own child loggers would write a repeated name twice. */
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
  // Names that pino itself writes in each line.
  time: "time_",
  level: "level_",
  msg: "msg_",
};

const recordOf = (fields: LogFields): Record<string, unknown> =>
  Object.fromEntries(Object.entries(maskFields(fields)).map(([name, value]) => [names[name] ?? name, value]));

type Line = { time: string; level: string; msg: string; [name: string]: unknown };

/** `04:21:07 WARN lost the broker order_id=A-1001`, in local time. */
function prettyLine({ time, level, msg, ...fields }: Line, colour: boolean): string {
  const clock = new Date(time).toTimeString().slice(0, 8);
  const pairs = Object.entries(fields).map(([name, value]) => ` ${oneLine(name)}=${valueText(value)}`);
  const word = level.toUpperCase().padEnd(5);
  if (!colour) return `${clock} ${word} ${oneLine(msg)}${pairs.join("")}\n`;
  const shown = paint(colours[level] ?? plain, word);
  return `${paint(dim, clock)} ${shown} ${oneLine(msg)}${paint(dim, pairs.join(""))}\n`;
}

/** Line breaks become a space; other characters that could move the cursor or are invisible become `?`. */
const oneLine = (text: string): string => printable(text.replace(/\s*[\r\n\u2028\u2029]\s*/g, " "));

/** Quotes a text that is empty or contains spaces, quotes or `=`, and so could be read as more than one value. */
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
