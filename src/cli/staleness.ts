import type { OrderctlError } from "../core/errors.ts";
import { printable } from "../core/foreign-text.ts";
import type { Connection } from "../jetstream/client/connection.ts";
import { formatDuration } from "../terminal/format.ts";

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
