import { setTimeout as sleep } from "node:timers/promises";
import { OrderctlError } from "../core/errors.ts";
import { untilAborted } from "../core/waiting.ts";
import type { FlowLog } from "../flow/flow.ts";
import { readLog } from "../flow/read-log.ts";
import { readStream } from "../jetstream/streams/read-stream.ts";
import type { StreamMessage } from "../jetstream/streams/stream-message.ts";
import type { ReplayPlan } from "./selection.ts";
import { ReplayTally } from "./tally.ts";
import type { ReplayTarget, Settle } from "./target.ts";

export type RunOptions = {
  plan: ReplayPlan;
  target: ReplayTarget;
  /** A factor on the pace at which the messages were stored; `null` for as fast as possible. */
  speed: number | null;
  /** Stops the reading; messages in progress are still waited for. */
  signal: AbortSignal;
};

/** Hands messages to a target in stream order and tracks which of them are settled. */
export class ReplayRun {
  readonly tally = new ReplayTally();
  /** Aborts when the caller's signal does, or when a message fails. */
  readonly stop: AbortSignal;
  readonly #options: RunOptions;
  readonly #pace: ReplayPace;
  readonly #failed = new AbortController();
  /** Sequences that the target took and has not settled, in ascending order. */
  readonly #unsettled = new Set<number>();
  #position: number;
  #read = 0;
  #archived = 0;
  #ended = false;
  #failure: OrderctlError | undefined;

  constructor(options: RunOptions) {
    this.#options = options;
    this.#pace = new ReplayPace(options.speed);
    this.stop = AbortSignal.any([options.signal, this.#failed.signal]);
    this.#position = options.plan.place.start.sequence - 1;
  }

  get failure(): OrderctlError | undefined {
    if (this.#failure || !this.#options.signal.aborted || this.#ended) return this.#failure;
    return new OrderctlError("interrupted", "interrupted before the last message");
  }

  /** `archived`: of the archive, which is not part of what was planned to be `read`. */
  progress(): { read: number; archived: number; waitMs: number } {
    return { read: this.#read, archived: this.#archived, waitMs: this.#pace.waitMs };
  }

  /** Ends the run; only the first error is kept. */
  fail(error: OrderctlError): void {
    this.#failure ??= error;
    this.#failed.abort();
  }

  /** Resolves when the target has taken all messages, or when the run was stopped. */
  async feed(log: FlowLog): Promise<void> {
    for await (const batch of readPlanned(log, this.#options.plan, this.stop)) {
      for (const message of batch) {
        if (this.#options.plan.wants(message)) await this.#offer(message);
        if (this.stop.aborted) return;
        this.#onRead(message);
      }
    }
    this.#ended = !this.stop.aborted;
  }

  #onRead({ sequence }: StreamMessage): void {
    this.#position = sequence;
    if (sequence > this.#options.plan.archivedTo) this.#read += 1;
    else this.#archived += 1;
  }

  /** The first sequence that is not settled; `null` when all are. */
  resumeFrom(): number | null {
    const [first] = this.#unsettled;
    if (first !== undefined) return first;
    return this.#ended ? null : this.#position + 1;
  }

  async #offer(message: StreamMessage): Promise<void> {
    const due = this.#pace.due(message.storedAtUs, this.stop);
    if (due) await due;
    if (this.stop.aborted) return;
    const { sequence } = message;
    this.tally.add(message);
    this.#unsettled.add(sequence);
    this.#position = sequence;
    const settle: Settle = (error) => {
      if (error) this.fail(error);
      else this.#unsettled.delete(sequence);
    };
    const room = this.#options.target.take(message, settle);
    if (room) await untilAborted(room, this.stop);
  }
}

/** The messages of a plan. Those of the log come from the archive as well, also where they are moved meanwhile. */
async function* readPlanned(
  log: FlowLog,
  { place, archivedTo, key }: ReplayPlan,
  signal: AbortSignal,
): AsyncGenerator<StreamMessage[]> {
  const { start, toSequence: to, filter, untilUs } = place;
  if (place.stream !== log.flow.stream) return yield* readStream(log.connection, { ...place, signal });
  const range = { from: start.sequence, to, filter, untilUs, signal };
  if (key === undefined || start.sequence > archivedTo) return yield* readLog(log, range);
  const archived = await log.archive.readKey(key);
  yield archived.filter(
    ({ sequence, storedAtUs }) =>
      sequence >= range.from && sequence <= archivedTo && storedAtUs <= (untilUs ?? storedAtUs),
  );
  yield* readLog(log, { ...range, from: Math.max(range.from, archivedTo + 1) });
}

/** The clock of a pace, in ms; tests bring their own. `wait` returns early when the signal aborts. */
export type PaceClock = { now(): number; wait(ms: number, signal: AbortSignal): Promise<void> };

const realClock: PaceClock = {
  now: () => performance.now(),
  wait: (ms, signal) => sleep(ms, undefined, { signal }).catch(() => undefined),
};

/** The longest delay that a timer accepts, and the shortest that is worth a timer. */
const longestMs = 2 ** 31 - 1;
const shortestMs = 1;

/**
 * Spaces messages as they were stored, `factor` times as fast; with a `null` factor there is no wait. Each due time
 * counts from the first message, so delays do not add up.
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

  /** Time until the next message is due, in ms; 0 when none is waited for. */
  get waitMs(): number {
    return Math.max(0, this.#nextAt - this.#clock.now());
  }

  /** Resolves when the message is due, or when the signal aborts; undefined when it is already due. */
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
