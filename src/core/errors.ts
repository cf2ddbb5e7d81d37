/** Every way a command can fail, and the exit code a script sees for it. The list is closed. */
export const exitCodes = {
  internal: 1,
  conflict: 1,
  usage: 2,
  unavailable: 3,
  no_responders: 3,
  stream_full: 3,
  not_found: 4,
  timeout: 5,
  bad_message: 6,
  /** A message that can be decoded and never be handled. */
  unprocessable: 6,
  /** A message whose handling ends the process. */
  crash_loop: 6,
  /** A first event of a key that has begun before. */
  repeat: 6,
  too_large: 6,
  denied: 7,
  /** The result cannot be written: disk full, a closed pipe, a file that may not be made. */
  output: 8,
  interrupted: 130,
} as const satisfies Record<string, number>;

export type ErrorCode = keyof typeof exitCodes;

/**
 * Whose an error is, and so whether another attempt can succeed. `message`: never. `broker`, `store` (what
 * a service keeps beside the log) and `dependency` (what a service calls): once it works again, so callers wait for it.
 */
export type ErrorSource = "message" | "broker" | "store" | "dependency";

/**
 * What would help, by name, from code that knows no command line; `value` is what its words need. The words are the
 * command line's (`cli/hints.ts`).
 */
export type Remedy = { name: string; value?: string | undefined };

/** The next command or flag to try: in words, or a remedy. */
export type Hint = string | Remedy;

type Details = {
  hint?: Hint | undefined;
  cause?: unknown;
  source?: ErrorSource | undefined;
  isUncertain?: boolean;
};

/**
 * The one error class. `message` says what failed and on what; `hint` is the next command or flag to try. Business
 * refusals (declined, out of stock) are events, never errors.
 */
export class OrderctlError extends Error {
  override readonly name = "OrderctlError";
  readonly code: ErrorCode;
  readonly hint: Hint | undefined;
  /** Undefined when the cause is not known. */
  readonly source: ErrorSource | undefined;
  /** True when the failed operation may have taken effect nevertheless, as when the answer to a request is lost. */
  readonly isUncertain: boolean;

  constructor(code: ErrorCode, message: string, details: Details = {}) {
    const { hint, cause, source, isUncertain = false } = details;
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.hint = hint;
    this.source = source;
    this.isUncertain = isUncertain;
  }

  get exitCode(): number {
    return exitCodes[this.code];
  }

  /**
   * Passes an OrderctlError through; anything else becomes `output` when a disk, folder or file cannot be written, else
   * `internal`, with its message kept.
   */
  static from(thrown: unknown): OrderctlError {
    if (thrown instanceof OrderctlError) return thrown;
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    if (!isUnwritable(thrown)) return new OrderctlError("internal", message, { cause: thrown });
    return new OrderctlError("output", message, {
      hint: "free some space, or write elsewhere",
      cause: thrown,
    });
  }
}

/** True when a disk is full or read-only, or a folder or file cannot be made, whatever was to be written. */
function isUnwritable(thrown: unknown): boolean {
  const code = systemCode(thrown);
  if (code === undefined) return false;
  const { syscall } = thrown as { syscall?: unknown };
  return unwritable.has(code) || syscall === "mkdir" || syscall === "rename";
}

const unwritable: ReadonlySet<string> = new Set(["ENOSPC", "EDQUOT", "EROFS", "EFBIG"]);

/** The code of a Node system error (`ENOENT`, `ECONNREFUSED` …), or undefined for any other value. */
export function systemCode(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error) || !("code" in thrown)) return undefined;
  return typeof thrown.code === "string" ? thrown.code : undefined;
}
