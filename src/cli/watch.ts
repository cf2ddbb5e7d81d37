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
import type { Online } from "./act.ts";
import { noteClock } from "./read-clock.ts";

const retryMs = 1000;

/** `clockOf` a sample is told once where it is worth a word. */
type Watched<T> = {
  kind: string;
  view: View<T>;
  read: () => Promise<T>;
  clockOf: (sample: T) => ClockDifference;
};

/**
 * Shows one sample after the other until it is told to stop: drawn in place where somebody watches, else one below the
 * other, a blank line apart. `read` sets the pace. Rejects with what keeps it from the first sample; later it goes on
 * as soon as the broker answers again.
 */
export async function watch<T extends object>(online: Online, watched: Watched<T>): Promise<void> {
  const { signal } = online;
  // A broker that hangs holds up nobody who wants to stop.
  const next = () => untilAborted(attempt(watched.read, signal), signal);
  const first = await next();
  if (first instanceof OrderctlError) throw first;
  if (!first) throw new OrderctlError("interrupted", "interrupted before the first sample");
  const show = online.terminal.live ? openScreen(online, watched) : openList(online, watched);
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

/** The last sample in place. While there is no new one it stays, dimmed, and the first line says since when and why. */
function openScreen<T>({ terminal, connection }: Online, { view }: Watched<T>): Display<T> {
  const screen = terminal.openScreen();
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
    stop: staleness.stop,
  };
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
    if (leaderless.has(error.code)) return error;
    throw error;
  }
}

export type Staleness = {
  /** There is a new sample: answers when, for a line of text. */
  fresh(): string;
  failed(error: OrderctlError): void;
  stop(): void;
};

const tickMs = 500;

/**
 * Tells twice a second since when what is shown is old, and why, while there is no new sample. It looks at the connection as
 * well: that an answer does not come is known only after the timeout.
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

/** What went wrong, and below it what to do. */
export const failureText = ({ message, hint }: OrderctlError): string =>
  [message, ...(hint ? [`  ${hint}`] : [])].map(printable).join("\n");
