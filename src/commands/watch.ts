import { setTimeout as wait } from "node:timers/promises";
import { type ErrorCode, OrderctlError } from "../errors.ts";
import type { View } from "../terminal.ts";
import type { Online } from "./act.ts";

/** What a broker that is away for a moment, or a cluster that elects a leader, answers: no reason to stop. */
const passing: ReadonlySet<ErrorCode> = new Set(["timeout", "unavailable", "no_responders"]);
const retryMs = 1000;

/**
 * Shows one sample after the other until it is told to stop: drawn in place where somebody watches, else one below the
 * other, a blank line apart. `read` sets the pace.
 */
export async function watch<T>(
  { terminal, signal }: Online,
  { kind, view, read }: { kind: string; view: View<T>; read: () => Promise<T> },
): Promise<void> {
  const screen = terminal.live ? terminal.openScreen() : undefined;
  const apart: View<T> = (sample, style) => `${view(sample, style)}\n`;
  const show = (sample: T) =>
    screen ? screen.draw(view(sample, terminal.style)) : terminal.show(kind, sample, apart);
  const tell = (text: string) => (screen ? screen.draw(text) : terminal.note(text));
  while (!signal.aborted) {
    try {
      show(await read());
    } catch (thrown) {
      const error = OrderctlError.from(thrown);
      if (signal.aborted) return;
      if (!passing.has(error.code)) throw error;
      tell(error.message);
      await wait(retryMs, undefined, { signal }).catch(() => {});
    }
  }
}
