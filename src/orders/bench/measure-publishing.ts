import { startCostMeter } from "./cost-meter.ts";
import { type Figures, percentilesOf } from "./figures.ts";
import type { PublishTask } from "./task.ts";

/** Callbacks for a message that is stored, or that cannot be. */
export type Settle = { stored: (index: number) => void; failed: (cause: unknown) => void };

/** Sends the message with this index and returns at once. */
export type Send = (index: number) => void;

/**
 * Keeps up to `window` messages in flight, sending more whenever half of them are stored, and times each message from
 * before it is sent until it is stored. Hot path: it adds the same few instructions to every way of sending.
 */
export async function measurePublishing(
  { count, window, brokerPid }: PublishTask,
  createSend: (settle: Settle) => Send,
): Promise<Figures> {
  const sentAt = new Float64Array(count);
  const latenciesMs = new Float64Array(count);
  let next = 0;
  let done = 0;
  const costs = startCostMeter(brokerPid);
  const used = await new Promise<ReturnType<typeof costs>>((resolve, failed) => {
    const fill = () => {
      while (next - done < window && next < count) {
        const index = next++;
        sentAt[index] = performance.now();
        send(index);
      }
    };
    const stored = (index: number) => {
      latenciesMs[index] = performance.now() - (sentAt[index] ?? 0);
      done += 1;
      if (done === count) resolve(costs(count));
      else if (next - done <= window / 2) fill();
    };
    const send = createSend({ stored, failed });
    fill();
  });
  return { ...used, ...percentilesOf(latenciesMs) };
}
