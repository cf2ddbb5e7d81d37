import { OrderctlError } from "./errors.ts";

/**
 * Resolves to the result of `work`, or to undefined when `signal` aborts first and `graceMs` have passed since. It
 * removes its listener from the signal: a race against a promise that outlives it would keep every result in memory
 * until that promise settles.
 */
export async function untilAborted<T>(
  work: Promise<T>,
  signal: AbortSignal,
  graceMs = 0,
): Promise<T | undefined> {
  let stop = () => {};
  const aborted = new Promise<undefined>((resolve) => {
    const end = () => resolve(undefined);
    stop = graceMs > 0 ? () => void setTimeout(end, graceMs).unref() : end;
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop);
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** Resolves to the result of `work`; rejects with `timeout` and the text `late` when that takes longer than `ms`. */
export async function within<T>(work: Promise<T>, ms: number, late: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const tooLong = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new OrderctlError("timeout", late)), ms);
  });
  try {
    return await Promise.race([work, tooLong]);
  } finally {
    clearTimeout(timer);
  }
}
