import { setTimeout as wait } from "node:timers/promises";
import { stripVTControlCharacters } from "node:util";
import { OrderctlError } from "../core/errors.ts";
import { printable } from "../core/foreign-text.ts";
import { untilAborted } from "../core/waiting.ts";
import type { ClockDifference } from "../jetstream/client/broker-clock.ts";
import { leaderless } from "../jetstream/client/election.ts";
import { formatDuration } from "../terminal/format.ts";
import type { LiveScreen } from "../terminal/live-screen.tsx";
import { paint } from "../terminal/paint.ts";
import { wrapWords } from "../terminal/plain-text.ts";
import type { View } from "../terminal/terminal.ts";
import type { Online } from "./command-action.ts";
import { hintText } from "./hints.ts";
import { noteClock } from "./read-clock.ts";

const retryMs = 1000;

/** `clockOf`: the clock difference in the first sample, which is noted if it is large. */
type Watched<T> = {
  kind: string;
  view: View<T>;
  read: () => Promise<T>;
  clockOf: (sample: T) => ClockDifference;
};

/**
 * Shows one sample after the other until the signal aborts: redrawn in place on a terminal, else one below the other
 * with a blank line between them. `read` sets the pace. An error at the first sample rejects; after that, while the
 * broker cannot answer, the failure is shown and `read` is tried again.
 */
export async function watch<T extends object>(online: Online, watched: Watched<T>): Promise<void> {
  const { signal, terminal } = online;
  const { read, view, clockOf } = watched;
  const first = await untilAborted(read(), signal).catch((thrown) => {
    if (!signal.aborted) throw thrown;
  });
  if (!first || signal.aborted) throw new OrderctlError("interrupted", "interrupted before the first sample");
  const display = terminal.live
    ? showOn(await terminal.openScreen(), online, {
        view,
        foot: (time) => `\n\nas of ${time}, Ctrl-C ends`,
      })
    : openList(online, watched);
  display.sample(first);
  noteClock(terminal, clockOf(first));
  try {
    await showSamples(read, display, { signal, mayPass: ({ code }) => leaderless.has(code) });
  } finally {
    display.close();
  }
}

export type Display<T> = { sample(sample: T): void; failure(error: OrderctlError): void; close(): void };

/**
 * Reads one sample after the other and shows it until the signal aborts. A failure that may pass is shown, and `read`
 * is tried again a second later; any other rejects.
 */
export async function showSamples<T>(
  read: () => Promise<T>,
  display: Display<T>,
  { signal, mayPass }: { signal: AbortSignal; mayPass: (error: OrderctlError) => boolean },
): Promise<void> {
  const showFailure = async (thrown: unknown) => {
    const error = OrderctlError.from(thrown);
    if (!mayPass(error)) throw error;
    display.failure(error);
    await wait(retryMs, undefined, { signal }).catch(() => {});
  };
  while (!signal.aborted) {
    try {
      // Ends at once when the signal aborts, also while a read waits for a broker that hangs.
      const sample = await untilAborted(read(), signal);
      if (sample !== undefined && !signal.aborted) display.sample(sample);
    } catch (thrown) {
      if (!signal.aborted) await showFailure(thrown);
    }
  }
}

function openList<T>({ terminal }: Online, { kind, view }: Watched<T>): Display<T> {
  const apart: View<T> = (sample, style) => `${view(sample, style)}\n`;
  let said = "";
  return {
    sample(sample) {
      said = "";
      terminal.show(kind, sample, apart);
    },
    failure(error) {
      const text = failureText(error);
      if (text !== said) terminal.note(text);
      said = text;
    },
    close() {},
  };
}

const tickMs = 500;

/**
 * Draws the last sample in place. While there is no new one it stays, dimmed, below a line that says since when and
 * why; while there is, `foot` follows it. Also looks at the connection, because a missing answer is noticed only after
 * the timeout. Closing it closes the screen.
 */
export function showOn<T>(
  screen: LiveScreen,
  { terminal, connection }: Pick<Online, "terminal" | "connection">,
  { view, foot = () => "" }: { view: View<T>; foot?: (timeOfDay: string) => string },
): Display<T> {
  let last = "";
  let freshAt = { time: timeOfDay(), monotonicMs: performance.now() };
  let why: string | undefined;
  const drawStale = () => {
    if (!connection.isConnected()) why ??= "the broker is away";
    if (why === undefined) return;
    const style = terminal.style();
    const { dim, yellow } = paint(style);
    const ageMs = performance.now() - freshAt.monotonicMs;
    const told = `nothing new since ${freshAt.time}, for ${formatDuration(ageMs)}: ${why}`;
    const lines = told.split("\n").flatMap((line) => wrapWords(line, style.width));
    screen.draw(
      [...lines.map((line) => yellow(line)), "", ...last.split("\n").map((line) => dim(line))].join("\n"),
    );
  };
  const timer = setInterval(drawStale, tickMs);
  timer.unref();
  return {
    sample(sample) {
      why = undefined;
      freshAt = { time: timeOfDay(), monotonicMs: performance.now() };
      const text = terminal.render(sample, view);
      last = stripVTControlCharacters(text);
      screen.draw(text + foot(freshAt.time));
    },
    failure(error) {
      why = failureText(error);
      drawStale();
    },
    close() {
      clearInterval(timer);
      screen.close();
    },
  };
}

const timeOfDay = (): string => new Date().toTimeString().slice(0, 8);

/** The message of an error and, on a line below it, the hint. */
function failureText(error: OrderctlError): string {
  const hint = hintText(error.hint);
  return [error.message, ...(hint ? [`  ${hint}`] : [])].map(printable).join("\n");
}
