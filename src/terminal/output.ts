import { OrderctlError, systemCode } from "../core/errors.ts";

type Streams = {
  stdout: NodeJS.WritableStream & { readonly writableLength?: number; readonly errored?: Error | null };
  stderr: NodeJS.WritableStream;
};

/**
 * The abort reason when the reader of stdout has closed it (`| head`). It is no failure: the reader has what it wanted.
 */
export const readerGone = new OrderctlError("interrupted", "nobody reads the result any more");

/** How writing the results ended: undefined if all of them are written. */
export type OutputEnd = undefined | typeof readerGone | OrderctlError;

export type Output = {
  /** Aborts as soon as a result cannot be written; its reason is the value to which `ended` resolves. */
  readonly signal: AbortSignal;
  /** Resolves once all results have reached their reader, or cannot. */
  ended(): Promise<OutputEnd>;
};

/** Watches the output streams of a command. A failed write to stderr is ignored. */
export function watchOutput({ stdout, stderr }: Streams): Output {
  const stop = new AbortController();
  const fail = (error: Error) => {
    if (!stop.signal.aborted) stop.abort(systemCode(error) === "EPIPE" ? readerGone : notWritten(error));
  };
  stdout.on("error", fail);
  stderr.on("error", () => undefined);
  return {
    signal: stop.signal,
    async ended() {
      await flush(stdout).catch(fail);
      return stop.signal.aborted ? stop.signal.reason : undefined;
    },
  };
}

/**
 * Resolves when all output is written, and rejects if it cannot be. Writes nothing if the buffer is empty, since a full
 * device refuses even an empty write.
 */
async function flush(stdout: Streams["stdout"]): Promise<void> {
  if ((stdout.writableLength ?? 0) > 0)
    await new Promise<void>((resolve, reject) => {
      stdout.write("", (error) => (error ? reject(error) : resolve()));
    });
  // A stream reports an error after the callback of the failed write, a file only once it is closed; so wait and check
  // `errored`.
  await new Promise<void>((resolve) => setImmediate(resolve));
  if (stdout.errored) throw stdout.errored;
}

const notWritten = (cause: Error): OrderctlError =>
  new OrderctlError("output", `cannot write to standard output: ${cause.message}`, {
    hint: "what the command did is done, its result is not told: is the disk full? send it elsewhere with > FILE",
    cause,
  });
