import { startCostMeter } from "./cost-meter.ts";
import { type Figures, noPercentiles, percentilesOf } from "./figures.ts";
import type { WorkTask } from "./task.ts";

/** Latencies of this first time are left out: they show how a process warms up, not how it works. */
export const warmUpMs = 2000;

/** Now, as Unix time in ms with fractions: comparable between the processes of one machine. */
export const nowMs = (): number => performance.timeOrigin + performance.now();

/**
 * Times a flow of orders from its first delivery to its last stored event. Latencies count from `warmUpMs` after the
 * first delivery, and only if the rate is fixed: otherwise they would measure the length of the backlog.
 */
export class FlowMeter {
  readonly finished: Promise<Figures>;
  readonly #task: WorkTask;
  readonly #latenciesMs: Float64Array;
  #finish: (figures: Figures) => void = () => {};
  #costs: ReturnType<typeof startCostMeter> | undefined;
  #startedAtMs = 0;
  #done = 0;
  #cold = 0;

  constructor(task: WorkTask) {
    this.#task = task;
    this.#latenciesMs = new Float64Array(task.count);
    this.finished = new Promise((resolve) => {
      this.#finish = resolve;
    });
  }

  /** To be called for every delivery; the first one starts the clock. */
  delivered(): void {
    if (this.#costs) return;
    this.#costs = startCostMeter(this.#task.brokerPid);
    this.#startedAtMs = nowMs();
  }

  /** To be called when the last event of an order is stored. Hot path: < 0.5 µs. */
  stored(createdAtMs: number): void {
    const now = nowMs();
    if (now - this.#startedAtMs < warmUpMs) this.#cold = this.#done;
    this.#latenciesMs[this.#done++] = now - createdAtMs;
    if (this.#done === this.#task.count) this.end();
  }

  end(): void {
    const { count, rate } = this.#task;
    const costs = this.#costs?.(count);
    if (!costs) return;
    const latencies =
      rate > 0 && this.#done > 0 ? percentilesOf(this.#latenciesMs.subarray(this.#cold)) : noPercentiles;
    this.#finish({ ...costs, ...latencies });
  }
}
