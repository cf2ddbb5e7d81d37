import { OrderctlError, systemCode } from "../core/errors.ts";

type Streams = {
  stdout: NodeJS.WritableStream & { readonly writableLength?: number; readonly errored?: Error | null };
  stderr: NodeJS.WritableStream;
};

/** Why a command is stopped whose results nobody reads any more (`| head`): it has done what was wanted of it. */
export const readerGone = new OrderctlError("interrupted", "nobody reads the result any more");

/** How writing the results has ended: undefined where all of them are written. */
export type OutputEnd = undefined | typeof readerGone | OrderctlError;

export type Output = {
  /** Aborts as soon as a result cannot be written; its reason is the same that `ended` tells. */
  readonly signal: AbortSignal;
  /** Resolves once all that was written has reached its reader, or cannot. */
  ended(): Promise<OutputEnd>;
};

/** Watches the streams of a command. What cannot be written to stderr is lost, and ends nothing. */
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

/** Resolves when all is written, and rejects where it cannot be. Not asked where nothing is left: a device that is full refuses to write that as well. */
async function flush(stdout: Streams["stdout"]): Promise<void> {
  if ((stdout.writableLength ?? 0) > 0)
    await new Promise<void>((resolve, reject) => {
      stdout.write("", (error) => (error ? reject(error) : resolve()));
    });
  // An error is told after the write that it ends, by a file only once that is closed.
  await new Promise<void>((resolve) => setImmediate(resolve));
  if (stdout.errored) throw stdout.errored;
}

const notWritten = (cause: Error): OrderctlError =>
  new OrderctlError("output", `cannot write to standard output: ${cause.message}`, {
    hint: "what the command did is done, its result is not told: is the disk full? send it elsewhere with > FILE",
    cause,
  });
