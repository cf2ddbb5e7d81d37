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
  /** The breaker opens after more than this many failures in a row. */
  failures: number;
  /** How long the breaker stays open before it lets one call through as a probe. */
  openMs: number;
  /** Called with one line for each change of state. */
  note: Note;
};

/**
 * A circuit breaker that makes its callers wait instead of failing them. While it is open, no call is made; after
 * `openMs` the caller that has waited longest makes one call as a probe. An error with code `conflict` is an answer of
 * the dependency, so it does not count as a failure.
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
        // `#timer` decides when to probe: the policy would read the wall clock, which may be set back.
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

  /** How long ago the breaker opened; since then only probes were called. `null` while it is closed. */
  openForMs(): number | null {
    return this.#openFor() ?? null;
  }

  /**
   * Makes the call once the breaker allows it, and repeats it after a failure for as long as the breaker is open.
   * Rejects with the call's error only if the breaker is closed or the error does not count as a failure, and with
   * `interrupted` once the signal has aborted. `watchHold` is called for each wait.
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

  /** Waits until the breaker is closed or this caller may probe. */
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

  /**
   * An interrupted probe counts as a failure, because it has not shown that the dependency works: the breaker stays
   * open. Other interrupted calls do not count, nor do errors with code `conflict`.
   */
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
 * Calls another gateway while `breaker` is closed, and waits without a time limit while it is open: an outage rejects
 * only the calls that fail before the breaker opens.
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

/** Numbers the attempts of a request consecutively, also when the breaker repeats the request after an outage. */
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
