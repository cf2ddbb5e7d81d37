import { setTimeout as wait } from "node:timers/promises";
import { type ErrorCode, OrderctlError } from "../errors.ts";
import type { View } from "../terminal.ts";
import { untilAborted } from "../until-aborted.ts";
import { printable } from "../views/plain-text.ts";
import type { Online } from "./act.ts";

/** What a broker that is away for a moment, or a cluster that elects a leader, answers: no reason to stop. */
const passing: ReadonlySet<ErrorCode> = new Set(["timeout", "unavailable", "no_responders"]);
const retryMs = 1000;

type Watched<T> = { kind: string; view: View<T>; read: () => Promise<T> };

/**
 * Shows one sample after the other until it is told to stop: drawn in place where somebody watches, else one below the
 * other, a blank line apart. `read` sets the pace. Rejects with what keeps it from the first sample; later it goes on
 * as soon as the broker answers again.
 */
export async function watch<T extends object>(online: Online, watched: Watched<T>): Promise<void> {
  const { signal } = online;
  const show = openDisplay(online, watched);
  // A broker that hangs holds up nobody who wants to stop.
  const next = () => untilAborted(attempt(watched.read, signal), signal);
  const first = await next();
  if (first instanceof OrderctlError) throw first;
  if (!first) throw new OrderctlError("interrupted", "interrupted before the first sample");
  show.sample(first);
  while (!signal.aborted) {
    const sample = await next();
    if (sample instanceof OrderctlError) {
      show.failure(sample);
      await wait(retryMs, undefined, { signal }).catch(() => {});
    } else if (sample) show.sample(sample);
  }
}

/** What stays on the screen while the broker does not answer tells how old it is, and then why. */
function openDisplay<T>({ terminal }: Online, { kind, view }: Watched<T>) {
  if (!terminal.live) {
    const apart: View<T> = (sample, style) => `${view(sample, style)}\n`;
    let said = "";
    return {
      sample(sample: T) {
        said = "";
        terminal.show(kind, sample, apart);
      },
      failure(error: OrderctlError) {
        if (textOf(error) !== said) terminal.note(textOf(error));
        said = textOf(error);
      },
    };
  }
  const screen = terminal.openScreen();
  let last = "";
  return {
    sample(sample: T) {
      const at = new Date().toTimeString().slice(0, 8);
      last = `${view(sample, terminal.style())}\n\nas of ${at}, Ctrl-C ends`;
      screen.draw(last);
    },
    failure: (error: OrderctlError) => screen.draw(`${last}\n${textOf(error)}`),
  };
}

const textOf = ({ message, hint }: OrderctlError): string =>
  [message, ...(hint ? [`  ${hint}`] : [])].map(printable).join("\n");

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
