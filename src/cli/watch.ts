import { setTimeout as wait } from "node:timers/promises";
import { stripVTControlCharacters } from "node:util";
import { OrderctlError } from "../core/errors.ts";
import { printable } from "../core/foreign-text.ts";
import { untilAborted } from "../core/waiting.ts";
import type { ClockDifference } from "../jetstream/client/broker-clock.ts";
import type { Connection } from "../jetstream/client/connection.ts";
import { leaderless } from "../jetstream/client/election.ts";
import { formatDuration } from "../terminal/format.ts";
import { paint } from "../terminal/paint.ts";
import type { View } from "../terminal/terminal.ts";
import type { Online } from "./command-action.ts";
import { hintOf } from "./hints.ts";
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
  const { signal } = online;
  // Stop at once when the signal aborts, also while a read waits for a broker that hangs.
  const next = () => untilAborted(attempt(watched.read, signal), signal);
  const first = await next();
  if (first instanceof OrderctlError) throw first;
  if (!first) throw new OrderctlError("interrupted", "interrupted before the first sample");
  const show = online.terminal.live ? await openScreen(online, watched) : openList(online, watched);
  show.sample(first);
  noteClock(online.terminal, watched.clockOf(first));
  try {
    while (!signal.aborted) {
      const sample = await next();
      if (sample instanceof OrderctlError) {
        show.failure(sample);
        await wait(retryMs, undefined, { signal }).catch(() => {});
      } else if (sample) show.sample(sample);
    }
  } finally {
    show.stop();
  }
}

type Display<T> = { sample(sample: T): void; failure(error: OrderctlError): void; stop(): void };

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
    stop() {},
  };
}

/**
 * Draws the last sample in place. While there is no new one it stays, dimmed, below a line that says since when and
 * why.
 */
async function openScreen<T>({ terminal, connection }: Online, { view }: Watched<T>): Promise<Display<T>> {
  const screen = await terminal.openScreen();
  let last = "";
  const staleness = watchStaleness(connection, (text) => {
    const { dim, yellow } = paint(terminal.style());
    const lines = [...text.split("\n").map((line) => yellow(line)), ""];
    screen.draw([...lines, ...last.split("\n").map((line) => dim(line))].join("\n"));
  });
  return {
    sample(sample) {
      const text = terminal.render(sample, view);
      last = stripVTControlCharacters(text);
      screen.draw(`${text}\n\nas of ${staleness.fresh()}, Ctrl-C ends`);
    },
    failure: staleness.failed,
    stop() {
      staleness.stop();
      screen.close();
    },
  };
}

/**
 * Resolves to the sample, to the error if it may pass, or to undefined if the signal has aborted; rejects with any
 * other error.
 */
async function attempt<T>(
  read: () => Promise<T>,
  signal: AbortSignal,
): Promise<T | OrderctlError | undefined> {
  try {
    return await read();
  } catch (thrown) {
    const error = OrderctlError.from(thrown);
    if (signal.aborted) return undefined;
    if (leaderless.has(error.code)) return error;
    throw error;
  }
}

export type Staleness = {
  /** To be called at each new sample; returns the time of day for display. */
  fresh(): string;
  failed(error: OrderctlError): void;
  stop(): void;
};

const tickMs = 500;

/**
 * While there is no new sample, calls `tell` twice a second with a text that says since when the shown one is out of
 * date and why. Also checks the connection, because a missing answer is noticed only after the timeout.
 */
export function watchStaleness(
  { isConnected }: Pick<Connection, "isConnected">,
  tell: (text: string) => void,
): Staleness {
  let freshAt = { time: timeOfDay(), monotonicMs: performance.now() };
  let why: string | undefined;
  const say = () => {
    if (!isConnected()) why ??= "the broker is away";
    if (why === undefined) return;
    tell(
      `nothing new since ${freshAt.time}, for ${formatDuration(performance.now() - freshAt.monotonicMs)}: ${why}`,
    );
  };
  const timer = setInterval(say, tickMs);
  timer.unref();
  return {
    fresh() {
      why = undefined;
      freshAt = { time: timeOfDay(), monotonicMs: performance.now() };
      return freshAt.time;
    },
    failed(error) {
      why = failureText(error);
      say();
    },
    stop: () => clearInterval(timer),
  };
}

const timeOfDay = (): string => new Date().toTimeString().slice(0, 8);

/** The message of an error and, on a line below it, the hint. */
export function failureText(error: OrderctlError): string {
  const hint = hintOf(error);
  return [error.message, ...(hint ? [`  ${hint}`] : [])].map(printable).join("\n");
}
