import { OrderctlError } from "../core/errors.ts";
import type { Note } from "../core/note.ts";

type Patience = { patienceMs: number; note: Note; signal: AbortSignal };

/**
 * What `start` comes to, which is called again for `patienceMs` while it rejects with `timeout`: a broker that hangs, or is
 * just being restarted, is waited for as one that is not there yet. Rejects with the signal's reason once that has aborted.
 */
export async function whenAnswered<T>(
  start: () => Promise<T>,
  { patienceMs, note, signal }: Patience,
): Promise<T> {
  const deadline = performance.now() + patienceMs;
  for (let attempt = 1; ; attempt++) {
    try {
      return await start();
    } catch (thrown) {
      signal.throwIfAborted();
      if (!isSilence(thrown) || performance.now() > deadline) throw thrown;
      if (attempt === 1) note(`${thrown.message}; trying for ${patienceMs / 1000} s`);
    }
  }
}

/** No answer, or one that says no more than "not now": what needs somebody's help has a hint. */
const isSilence = (thrown: unknown): thrown is OrderctlError =>
  thrown instanceof OrderctlError &&
  (thrown.code === "timeout" ||
    (thrown.code === "unavailable" && thrown.fault === "broker" && thrown.hint === undefined));
