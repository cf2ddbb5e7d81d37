import { OrderctlError } from "./errors.ts";

/**
 * What `work` comes to, or undefined where `signal` aborts first and `graceMs` have passed since. It leaves nothing behind
 * on the signal, unlike a race against a promise that outlives it: that keeps every result until the promise settles.
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

/** What `work` comes to; rejects with `timeout` and the text given where that takes longer than `ms`. */
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
