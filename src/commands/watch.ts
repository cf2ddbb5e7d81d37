import { setTimeout as wait } from "node:timers/promises";
import { type ErrorCode, OrderctlError } from "../errors.ts";
import type { View } from "../terminal.ts";
import type { Online } from "./act.ts";

/** What a broker that is away for a moment, or a cluster that elects a leader, answers: no reason to stop. */
const passing: ReadonlySet<ErrorCode> = new Set(["timeout", "unavailable", "no_responders"]);
const retryMs = 1000;

/** What stays on the screen while the broker does not answer tells how old it is. */
const framed = (text: string): string =>
  `${text}\n\nas of ${new Date().toTimeString().slice(0, 8)}, Ctrl-C ends`;

/**
 * Shows one sample after the other until it is told to stop: drawn in place where somebody watches, else one below the
 * other, a blank line apart. `read` sets the pace.
 */
export async function watch<T extends object>(
  { terminal, signal }: Online,
  { kind, view, read }: { kind: string; view: View<T>; read: () => Promise<T> },
): Promise<void> {
  const screen = terminal.live ? terminal.openScreen() : undefined;
  const apart: View<T> = (sample, style) => `${view(sample, style)}\n`;
  const show = (sample: T) =>
    screen ? screen.draw(framed(view(sample, terminal.style))) : terminal.show(kind, sample, apart);
  const tell = (text: string) => (screen ? screen.draw(text) : terminal.note(text));
  const stopped = new Promise<undefined>((resolve) => {
    signal.addEventListener("abort", () => resolve(undefined), { once: true });
  });
  while (!signal.aborted) {
    // A broker that hangs holds up nobody who wants to stop.
    const sample = await Promise.race([attempt(read, signal), stopped]);
    if (sample instanceof OrderctlError) {
      tell(sample.message);
      await wait(retryMs, undefined, { signal }).catch(() => {});
    } else if (sample) show(sample);
  }
}

/** Answers a passing failure, and nothing once it is to stop. */
async function attempt<T>(
  read: () => Promise<T>,
  signal: AbortSignal,
): Promise<T | OrderctlError | undefined> {
  try {
    return await read();
  } catch (thrown) {
    const error = OrderctlError.from(thrown);
    if (signal.aborted) return undefined;
    if (passing.has(error.code)) return error;
    throw error;
  }
}
