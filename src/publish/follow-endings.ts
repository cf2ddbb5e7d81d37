import { createHistogram, type RecordableHistogram } from "node:perf_hooks";
import { setTimeout as wait } from "node:timers/promises";
import { OrderctlError } from "../core/errors.ts";
import { endingIn, endingsFilter } from "../flow/endings.ts";
import type { Flow, FlowLog } from "../flow/flow.ts";
import { readLastSequence, type StoredMessage } from "../jetstream/streams/read-message.ts";
import { scanStream } from "../jetstream/streams/read-stream.ts";

/** Times in ms from the publish call until this process saw the order's ending in the log. */
export type Latency = { p50Ms: number; p99Ms: number; p999Ms: number; maxMs: number };

export type Endings = {
  ended: number;
  outcomes: Record<string, number>;
  latency: Latency | null;
};

/**
 * Watches the log for the endings of orders. Open it before the first order is published. Memory grows with the orders
 * under way; all times are from this process's monotonic clock.
 */
export class EndingsFollower {
  /** The orders under way by id; `times` counts repeated publishes of one id. */
  readonly #started = new Map<string, { at: number; times: number }>();
  readonly #histogram: RecordableHistogram = createHistogram({ figures: 3 });
  readonly #flow: Flow;
  readonly #outcomes: Endings["outcomes"];
  readonly #stop = new AbortController();
  readonly #scan: Promise<void>;
  #failure: OrderctlError | undefined;
  #ended = 0;

  private constructor({ connection, flow }: FlowLog, fromSequence: number) {
    this.#flow = flow;
    this.#outcomes = Object.fromEntries(Object.keys(flow.outcomes).map((outcome) => [outcome, 0]));
    const filter = endingsFilter(flow);
    const start = { sequence: fromSequence };
    const scan = { stream: flow.stream, filter, start, follow: true, signal: this.#stop.signal };
    this.#scan = scanStream(connection, scan, (message) => this.#onEnded(message)).catch((thrown) => {
      this.#failure = OrderctlError.from(thrown);
    });
  }

  static async open(log: FlowLog): Promise<EndingsFollower> {
    const last = await readLastSequence(log.connection, log.flow.stream);
    return new EndingsFollower(log, last + 1);
  }

  get underWay(): number {
    return this.#started.size;
  }

  get ended(): number {
    return this.#ended;
  }

  started(orderId: string): void {
    const known = this.#started.get(orderId);
    if (known) known.times += 1;
    else this.#started.set(orderId, { at: performance.now(), times: 1 });
  }

  /**
   * Stops following a duplicate, whose ending may already be in the log. An id that was also started by another publish
   * is still followed.
   */
  forget(orderId: string): void {
    const known = this.#started.get(orderId);
    if (!known) return;
    known.times -= 1;
    if (known.times === 0) this.#started.delete(orderId);
  }

  /**
   * Resolves to undefined when every started order has ended, else to an error: `timeout` when none has ended for
   * `patienceMs`, `interrupted` when the signal aborted.
   */
  async whenAllEnded(patienceMs: number, signal: AbortSignal): Promise<OrderctlError | undefined> {
    let before = -1;
    let since = performance.now();
    while (this.#started.size > 0 && !this.#failure) {
      if (signal.aborted) return new OrderctlError("interrupted", `${this.#ordersUnderWay()} not ended yet`);
      if (this.#ended !== before) since = performance.now();
      before = this.#ended;
      if (performance.now() - since > patienceMs) return this.#stalled(patienceMs);
      await wait(10);
    }
    return this.#failure;
  }

  endings(): Endings {
    const at = (percentile: number) => this.#histogram.percentile(percentile) / 1e3;
    const latency = { p50Ms: at(50), p99Ms: at(99), p999Ms: at(99.9), maxMs: this.#histogram.max / 1e3 };
    return { ended: this.#ended, outcomes: { ...this.#outcomes }, latency: this.#ended > 0 ? latency : null };
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#scan;
  }

  #onEnded(message: StoredMessage): void {
    const orderId = this.#flow.placeOf(message)?.key ?? "";
    const startedAt = this.#started.get(orderId)?.at;
    if (startedAt === undefined) return;
    // Decoded before anything is counted: an unreadable message does not end the order.
    const outcome = endingIn(this.#flow, message);
    if (outcome === undefined) return;
    this.#started.delete(orderId);
    this.#ended += 1;
    this.#histogram.record(Math.max(1, Math.round((performance.now() - startedAt) * 1e3)));
    this.#outcomes[outcome] = (this.#outcomes[outcome] ?? 0) + 1;
  }

  #ordersUnderWay(): string {
    const { one, many } = this.#flow.noun;
    return this.#started.size === 1 ? `1 ${one} has` : `${this.#started.size} ${many} have`;
  }

  #stalled(patienceMs: number): OrderctlError {
    const message = `${this.#ordersUnderWay()} not ended, and none did for ${patienceMs / 1000} s`;
    return new OrderctlError("timeout", message, {
      hint: "are all services running? `orderctl lag` shows who is behind",
    });
  }
}
