import { setTimeout as sleep } from "node:timers/promises";

/** Time as a pace needs it, in ms; a test brings its own. `wait` returns early when the signal aborts. */
export type PaceClock = { now(): number; wait(ms: number, signal: AbortSignal): Promise<void> };

const realClock: PaceClock = {
  now: () => performance.now(),
  wait: (ms, signal) => sleep(ms, undefined, { signal }).catch(() => undefined),
};

/** A timer's longest time, and the shortest that is worth one. */
const longestMs = 2 ** 31 - 1;
const shortestMs = 1;

/**
 * Spaces messages as they were stored, `factor` times as fast; without one there is no wait. Everything is due by the time
 * since the first one, so that delays do not add up.
 */
export class ReplayPace {
  readonly #factor: number | null;
  readonly #clock: PaceClock;
  #first: { storedAtUs: number; at: number } | undefined;
  #nextAt = 0;

  constructor(factor: number | null, clock: PaceClock = realClock) {
    this.#factor = factor;
    this.#clock = clock;
  }

  /** Until the next message is due, in ms; 0 where nobody waits. */
  get waitMs(): number {
    return Math.max(0, this.#nextAt - this.#clock.now());
  }

  /** Resolves when a message is due, or when the signal aborts; undefined where it is due already. */
  due(storedAtUs: number, signal: AbortSignal): Promise<void> | undefined {
    if (this.#factor === null) return undefined;
    this.#first ??= { storedAtUs, at: this.#clock.now() };
    this.#nextAt = this.#first.at + (storedAtUs - this.#first.storedAtUs) / 1000 / this.#factor;
    return this.waitMs < shortestMs ? undefined : this.#wait(signal);
  }

  async #wait(signal: AbortSignal): Promise<void> {
    while (this.waitMs >= shortestMs && !signal.aborted)
      await this.#clock.wait(Math.min(this.waitMs, longestMs), signal);
  }
}
