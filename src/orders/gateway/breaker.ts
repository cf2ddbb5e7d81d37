import {
  type CircuitBreakerPolicy,
  CircuitState,
  ConsecutiveBreaker,
  circuitBreaker,
  handleWhen,
} from "cockatiel";
import { OrderctlError } from "../../core/errors.ts";
import type { Note } from "../../core/note.ts";
import type { WatchCall, WatchHold } from "../../flow/handler.ts";
import type { PaymentGateway } from "./gateway.ts";

export type BreakerOptions = {
  name: string;
  /** It opens after more than this many failures in a row. */
  failures: number;
  /** How long it stays open before one call probes. */
  openMs: number;
  /** One line for each change of state. */
  note: Note;
};

/**
 * A circuit breaker that lets its callers wait instead of failing them. While it is open nothing is called; then one of
 * those who wait probes, the longest waiting first. What fails with `conflict` was answered, so it is no failure.
 */
export class Breaker {
  readonly name: string;
  readonly #options: BreakerOptions;
  readonly #policy: CircuitBreakerPolicy;
  readonly #waiting = new Set<() => void>();
  #timer: NodeJS.Timeout | undefined;
  #openedAt: number | undefined;
  #probeIsFree = false;

  constructor(options: BreakerOptions) {
    this.name = options.name;
    this.#options = options;
    this.#policy = circuitBreaker(
      handleWhen((error) => this.#isFailure(error)),
      {
        breaker: new ConsecutiveBreaker(options.failures + 1),
        // The timer here says when: the policy reads the wall clock, which may be set back.
        halfOpenAfter: Number.NEGATIVE_INFINITY,
      },
    );
    this.#policy.onBreak((reason) => this.#onOpen("error" in reason ? reason.error : undefined));
    this.#policy.onReset(() => this.#onClosed());
  }

  state(): "closed" | "half-open" | "open" {
    if (this.#policy.state === CircuitState.Closed) return "closed";
    return this.#timer === undefined ? "half-open" : "open";
  }

  /** How long nothing but probes has been called; `null` while the breaker is closed. */
  openForMs(): number | null {
    return this.#openFor() ?? null;
  }

  /**
   * Calls when it may, and again while the breaker is open after a failure: rejects with the call's error only where the
   * breaker is closed or the error is no failure, and with `interrupted` once the signal has aborted. `watchHold` is told
   * of each wait.
   */
  async run<T>(call: () => Promise<T>, signal: AbortSignal, watchHold?: WatchHold): Promise<T> {
    for (;;) {
      if (this.state() !== "closed") await this.#turn(signal, watchHold);
      try {
        return await this.#policy.execute(() => unlessAborted(call, signal));
      } catch (thrown) {
        const isOver = signal.aborted || !this.#isFailure(thrown) || this.state() === "closed";
        if (isOver) throw thrown;
      }
    }
  }

  /** Waits until the breaker is closed, or it is this caller's turn to probe. */
  async #turn(signal: AbortSignal, watchHold: WatchHold | undefined): Promise<void> {
    if (this.#probeIsFree && !signal.aborted) {
      this.#probeIsFree = false;
      return;
    }
    const endHold = watchHold?.(this.name);
    try {
      await this.#released(signal);
    } finally {
      endHold?.();
    }
  }

  #released(signal: AbortSignal): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      const release = () => {
        signal.removeEventListener("abort", giveUp);
        resolve();
      };
      const giveUp = () => {
        this.#waiting.delete(release);
        reject(interrupted(signal.reason));
      };
      if (signal.aborted) return giveUp();
      signal.addEventListener("abort", giveUp, { once: true });
      this.#waiting.add(release);
    });
  }

  #letProbe(): void {
    this.#timer = undefined;
    const [first] = this.#waiting;
    if (first) this.#release(first);
    else this.#probeIsFree = true;
  }

  #release(waiting: () => void): void {
    this.#waiting.delete(waiting);
    waiting();
  }

  #onOpen(error: Error | undefined): void {
    const { openMs, failures, note } = this.#options;
    const openMsSoFar = this.#openFor();
    this.#openedAt ??= performance.now();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#letProbe(), openMs).unref();
    if (isInterrupted(error)) return;
    const since =
      openMsSoFar === undefined
        ? `open after ${failures + 1} failures in a row`
        : `still failing after ${seconds(openMsSoFar)}`;
    note(`${this.name}: ${since}: ${error?.message}; probing in ${seconds(openMs)}`);
  }

  #onClosed(): void {
    const { note } = this.#options;
    note(`${this.name}: closed again after ${seconds(this.#openFor() ?? 0)}`, {}, "info");
    this.#openedAt = undefined;
    for (const waiting of [...this.#waiting]) this.#release(waiting);
  }

  #openFor(): number | undefined {
    return this.#openedAt === undefined ? undefined : performance.now() - this.#openedAt;
  }

  /** A probe that was given up has shown nothing: the breaker stays open. */
  #isFailure(error: unknown): boolean {
    if (isInterrupted(error)) return this.#policy.state === CircuitState.HalfOpen;
    return !(error instanceof OrderctlError && error.code === "conflict");
  }
}

async function unlessAborted<T>(call: () => Promise<T>, signal: AbortSignal): Promise<T> {
  try {
    return await call();
  } catch (thrown) {
    throw signal.aborted ? interrupted(thrown) : thrown;
  }
}

const interrupted = (cause: unknown): OrderctlError =>
  new OrderctlError("interrupted", "given up: the work is to stop", { cause });

const isInterrupted = (error: unknown): boolean =>
  error instanceof OrderctlError && error.code === "interrupted";

const seconds = (ms: number): string => `${Number((ms / 1000).toFixed(ms < 10_000 ? 1 : 0))} s`;

type Watched = { signal: AbortSignal; watch?: WatchCall; watchHold?: WatchHold };

/**
 * Calls another gateway while `breaker` is closed and waits while it is open, for as long as that takes: an outage
 * rejects only the calls that fail before it opens.
 */
export function createBreakingGateway(gateway: PaymentGateway, breaker: Breaker): PaymentGateway {
  const run = <R extends Watched, T>(request: R, call: (request: R) => Promise<T>): Promise<T> => {
    const counted = { ...request, ...countingOn(request.watch) };
    return breaker.run(() => call(counted), request.signal, request.watchHold);
  };
  return {
    charge: (request) => run(request, (counted) => gateway.charge(counted)),
    refund: (request) => run(request, (counted) => gateway.refund(counted)),
  };
}

/** What is called again after an outage goes on counting its calls. */
function countingOn(watch: WatchCall | undefined): { watch?: WatchCall } {
  if (!watch) return {};
  let calls = 0;
  return {
    watch: (operation) => {
      calls += 1;
      return watch(operation, calls);
    },
  };
}
