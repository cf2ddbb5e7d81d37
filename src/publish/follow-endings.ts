import { createHistogram, type RecordableHistogram } from "node:perf_hooks";
import { setTimeout as wait } from "node:timers/promises";
import { OrderctlError } from "../core/errors.ts";
import type { Flow, FlowLog } from "../flow/flow.ts";
import { readLastSequence } from "../jetstream/streams/read-message.ts";
import { scanStream } from "../jetstream/streams/read-stream.ts";

/** Times in ms from the publish call to the moment the event that ends it was seen in the log. */
export type Latency = { p50Ms: number; p99Ms: number; p999Ms: number; maxMs: number };

export type Endings = {
  ended: number;
  outcomes: Record<string, number>;
  latency: Latency | null;
};

/**
 * Watches the log for the ends of orders. To be opened before the first is published; memory is that of the orders
 * under way. All times are taken on this process's monotonic clock.
 */
export class EndingsFollower {
  /** By order; one that a file has twice is published twice. */
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
    const filter = flow.subjectOf(flow.ending, "*");
    const start = { sequence: fromSequence };
    const scan = { stream: flow.stream, filter, start, follow: true, signal: this.#stop.signal };
    this.#scan = scanStream(connection, scan, ({ subject, payload }) =>
      this.#onEnded(subject, payload),
    ).catch((thrown) => {
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

  /** For an order that was there before: its end may be past, unless it was started before that. */
  forget(orderId: string): void {
    const known = this.#started.get(orderId);
    if (!known) return;
    known.times -= 1;
    if (known.times === 0) this.#started.delete(orderId);
  }

  /**
   * Resolves when every order that was started has ended, or with what kept them from it: `timeout` when for `patienceMs`
   * none did, `interrupted` when the signal aborted.
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

  #onEnded(subject: string, payload: Uint8Array): void {
    const orderId = this.#flow.parseSubject(subject)?.key ?? "";
    const startedAt = this.#started.get(orderId)?.at;
    if (startedAt === undefined) return;
    // Read first: one that cannot be read has not ended the order.
    const { outcome } = this.#flow.describe(this.#flow.decode(subject, payload));
    this.#started.delete(orderId);
    this.#ended += 1;
    this.#histogram.record(Math.max(1, Math.round((performance.now() - startedAt) * 1e3)));
    this.#outcomes[outcome] = (this.#outcomes[outcome] ?? 0) + 1;
  }

  #ordersUnderWay(): string {
    return this.#started.size === 1 ? "1 order has" : `${this.#started.size} orders have`;
  }

  #stalled(patienceMs: number): OrderctlError {
    const message = `${this.#ordersUnderWay()} not ended, and none did for ${patienceMs / 1000} s`;
    return new OrderctlError("timeout", message, {
      hint: "are all services running? `orderctl lag` shows who is behind",
    });
  }
}
