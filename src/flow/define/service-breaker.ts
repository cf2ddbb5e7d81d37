import { OrderctlError } from "../../core/errors.ts";
import type { Note } from "../../core/note.ts";
import { RetryLater } from "../../jetstream/consume/retry-later.ts";
import type { HandlerContext } from "../handler.ts";

/** It opens when more than this many events have failed, and none has succeeded in between. */
const failures = 5;
/** How long it stays open before one event is tried. */
const openMs = 15_000;

/** As long as an outage of what a handler calls may last where too few events come to tell it from their own faults. */
export const handlerPatienceMs = 10 * 60_000;

export type BreakerSettings = { openMs?: number };

/** What it asks of a delivery. */
type Held = Pick<HandlerContext, "sequence" | "signal" | "watchHold">;

/**
 * A circuit breaker around a service's handler: an outage of what it depends on fails many events in a row, and is none
 * of their faults. While it is open, the service pulls nothing, holds what it has, and no failure counts against an
 * event; after `openMs` one event is tried. One event that fails again and again is no outage, so only different events
 * count, and each trial is another event's: this is why no policy that counts calls will do.
 */
export class HandlerBreaker {
  readonly name: string;
  readonly #note: Note;
  readonly #openMs: number;
  /** The sequences of the events that have failed since one succeeded. */
  readonly #failed = new Set<number>();
  readonly #waiting = new Set<() => void>();
  #openedAt: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isTrying = false;

  constructor(name: string, note: Note, settings: BreakerSettings = {}) {
    this.name = name;
    this.#note = note;
    this.#openMs = settings.openMs ?? openMs;
  }

  state(): "closed" | "half-open" | "open" {
    if (this.#openedAt === undefined) return "closed";
    return this.#timer === undefined ? "half-open" : "open";
  }

  /** How long ago it opened; `null` while it is closed. */
  openForMs(): number | null {
    return this.#openedAt === undefined ? null : performance.now() - this.#openedAt;
  }

  /**
   * Calls once it is closed, or this event may be tried. Rejects with the call's error, and with `interrupted` once the
   * signal has aborted while it waited.
   */
  async run<T>(delivery: Held, call: () => Promise<T>): Promise<T> {
    const isTrial = this.state() !== "closed" && (await this.#turn(delivery));
    try {
      const result = await call();
      this.#succeeded();
      return result;
    } catch (thrown) {
      const { sequence, signal } = delivery;
      this.#onFailure({ sequence, isTrial, isOutage: !signal.aborted && isOutage(thrown) }, thrown);
      throw thrown;
    }
  }

  /** Resolves once it is closed, or to true for one caller at a time once it is half-open. */
  async #turn(delivery: Held): Promise<boolean> {
    const endHold = delivery.watchHold(this.name);
    try {
      while (this.state() !== "closed") {
        if (this.state() === "half-open" && !this.#isTrying) {
          this.#isTrying = true;
          return true;
        }
        await this.#changed(delivery.signal);
      }
      return false;
    } finally {
      endHold();
    }
  }

  #changed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const wake = () => {
        signal.removeEventListener("abort", giveUp);
        resolve();
      };
      const giveUp = () => {
        this.#waiting.delete(wake);
        reject(new OrderctlError("interrupted", "given up: the work is to stop"));
      };
      if (signal.aborted) return giveUp();
      signal.addEventListener("abort", giveUp, { once: true });
      this.#waiting.add(wake);
    });
  }

  #wakeAll(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }

  #succeeded(): void {
    // Even an empty set makes a new table when it is cleared, and this is done for every event.
    if (this.#failed.size > 0) this.#failed.clear();
    this.#isTrying = false;
    if (this.#openedAt === undefined) return;
    const tookS = Math.round((performance.now() - this.#openedAt) / 1000);
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#openedAt = undefined;
    this.#note(`${this.name}: closed again after ${tookS} s`, {}, "info");
    this.#wakeAll();
  }

  #onFailure(
    { sequence, isTrial, isOutage }: { sequence: number; isTrial: boolean; isOutage: boolean },
    thrown: unknown,
  ): void {
    if (isTrial) this.#isTrying = false;
    if (isOutage) this.#failed.add(sequence);
    if (isOutage && (isTrial || (this.#openedAt === undefined && this.#failed.size > failures)))
      this.#open(thrown);
    // A trial that has shown nothing: another event is tried.
    else if (isTrial) this.#wakeAll();
  }

  #open(thrown: unknown): void {
    const { message } = OrderctlError.from(thrown);
    const openFor = this.openForMs();
    const since =
      openFor === null
        ? `open: ${this.#failed.size} events failed in a row`
        : `still failing after ${Math.round(openFor / 1000)} s`;
    this.#note(`${this.name}: ${since}: ${message}; the next one is tried in ${this.#openMs / 1000} s`);
    this.#openedAt ??= performance.now();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#wakeAll();
    }, this.#openMs).unref();
  }
}

/** What a message itself, the broker or the worker's end has caused says nothing about what the handler depends on. */
function isOutage(thrown: unknown): boolean {
  if (!(thrown instanceof OrderctlError)) return true;
  const { source, code } = thrown;
  const isElse = source === "message" || source === "broker" || source === "store" || code === "interrupted";
  return !isElse && !(thrown instanceof RetryLater);
}
