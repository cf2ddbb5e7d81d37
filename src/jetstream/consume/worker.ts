import { setMaxListeners } from "node:events";
import type { Msg } from "nats";
import { ChangeSignal } from "../../core/change-signal.ts";
import { OrderctlError } from "../../core/errors.ts";
import { SlotTable } from "../../core/slot-table.ts";
import { SparseNotes } from "../../core/sparse-notes.ts";
import type { Connection } from "../client/connection.ts";
import type { FrameWriter } from "../client/frame-writer.ts";
import { DeadLetterPolicy } from "../dead-letters/dead-letter-policy.ts";
import type { Publisher, Sink } from "../publish/publisher.ts";
import { ConsumerWatch } from "./consumer-watch.ts";
import { ReceivedDelivery } from "./delivery.ts";
import { type Problem, Problems } from "./problems.ts";
import { PullRequests } from "./pull.ts";
import { RetryLater } from "./retry-later.ts";
import type { Processor, WorkerCounts, WorkerOptions } from "./worker-options.ts";

const storeProblem = "store: ";
/**
 * A store problem is over when no delivery has failed with it for this long, which is longer than the longest wait
 * between two attempts: by then its deliveries are with another process.
 */
const unseenMs = 45_000;
const maxHeldBack = 20_000;

/**
 * The loop around a processor. It pulls as many messages as it has free places, processes them, stores the messages
 * that they lead to and then acknowledges them: a crash in between repeats work and loses nothing. A delivery whose
 * processor throws is tried again later or becomes a dead letter. No other code acknowledges deliveries.
 */
export class Worker {
  readonly #frames: FrameWriter;
  readonly #publisher: Publisher;
  readonly #options: WorkerOptions;
  readonly #process: Processor;
  readonly #policy: DeadLetterPolicy | undefined;
  readonly #pulls: PullRequests;
  readonly #consumer: ConsumerWatch;
  readonly #problems: Problems;
  /** Stream sequence of a delivery that failed because of a store → key of the problem that reports it. */
  readonly #heldBack = new Map<number, string>();
  readonly #inFlight = new SlotTable<ReceivedDelivery>();
  readonly #waiting: ReceivedDelivery[] = [];
  readonly #changes = new ChangeSignal();
  readonly #abort = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #notes: SparseNotes;
  readonly #counts = { processed: 0, failed: 0, duplicates: 0 };
  #lastError: string | undefined;
  #stopping = false;
  #stopped: Promise<void> | undefined;

  constructor(
    { connection, publisher }: { connection: Connection; publisher: Publisher },
    options: WorkerOptions,
    process: Processor,
  ) {
    this.#frames = connection.frames;
    this.#publisher = publisher;
    this.#options = options;
    this.#policy =
      options.deadLetters && new DeadLetterPolicy({ connection, publisher }, options, options.deadLetters);
    this.#process = this.#policy?.guard(process) ?? process;
    this.#notes = new SparseNotes(options.note);
    // Every delivery in flight may listen to the signal; Node warns from 11 listeners on.
    setMaxListeners(0, this.#abort.signal);
    const inbox = connection.newInbox();
    this.#pulls = new PullRequests(
      connection,
      { ...options, inbox },
      // `expired` pulls again at once: waiting for the tick would delay messages that arrive meanwhile.
      {
        message: (message) => this.#onMessage(message),
        expired: () => this.#onExpired(),
        refused: (refusal) => this.#consumer.onRefused(refusal),
        silent: () => this.#consumer.onSilence(),
      },
    );
    this.#problems = new Problems(options.consumer, options.note);
    const watching = { problems: this.#problems, onChange: () => this.#pull() };
    this.#consumer = new ConsumerWatch(connection, options, watching);
    connection.onReconnect(() => {
      this.#pulls.forget(true);
      this.#consumer.reset();
      this.#pull();
    });
    this.#timer = setInterval(() => this.#onTick(), 250);
    this.#consumer.look();
  }

  get counts(): WorkerCounts {
    return { ...this.#counts, inFlight: this.#inFlight.size };
  }

  /** Why the delivery failed that was the last to fail. */
  get lastError(): string | undefined {
    return this.#lastError;
  }

  /** The problems that keep this worker from its work at the moment. */
  get problems(): Problem[] {
    return this.#problems.list();
  }

  /**
   * Stops pulling, hands back deliveries that were not started, and waits until the others are stored and acknowledged.
   * Deliveries that are not finished after `deadlineMs`, or when the worker is paused, are aborted and handed back as
   * well, so that none has to time out. A second call waits for the first.
   */
  stop(deadlineMs: number): Promise<void> {
    this.#stopped ??= this.#stop(deadlineMs);
    return this.#stopped;
  }

  async #stop(deadlineMs: number): Promise<void> {
    this.#stopping = true;
    const deadline = performance.now() + deadlineMs;
    await this.#changes.until(() => this.#pulls.outstanding === 0, deadline);
    this.#handBackWaiting();
    const isOver = () => this.#inFlight.size === 0 || this.#options.isPaused?.() === true;
    await this.#changes.until(isOver, deadline);
    this.#abort.abort(new OrderctlError("interrupted", "the worker is stopping"));
    clearInterval(this.#timer);
    this.#notes.flush();
    this.#policy?.flush();
    await this.#pulls.close();
    this.#handBackWaiting();
    for (const delivery of this.#inFlight.items()) delivery.nak();
  }

  /**
   * Called when no pull is open any more, or at the deadline: with an open pull, the broker would deliver these
   * messages to this worker again.
   */
  #handBackWaiting(): void {
    for (const delivery of this.#waiting.splice(0)) delivery.nak();
  }

  /** Hot path. */
  #pull(): void {
    if (this.#stopping || this.#options.isPaused?.() || !this.#consumer.mayPull) return;
    const { limits } = this.#consumer;
    const worthAsking = Math.min(Math.max(1, this.#options.concurrency >> 2), limits.batch);
    if (this.#free < worthAsking) return;
    this.#pulls.limits = limits;
    while (this.#free >= worthAsking && this.#pulls.hasPlace) if (!this.#pulls.ask(this.#free)) return;
  }

  /** Places without a delivery, for which no message is on its way. */
  get #free(): number {
    const taken = this.#inFlight.size + this.#waiting.length + this.#pulls.outstanding;
    return this.#options.concurrency - taken;
  }

  #onExpired(): void {
    this.#consumer.onServed();
    this.#pull();
  }

  #onMessage(message: Msg): void {
    this.#consumer.onServed();
    const delivery = new ReceivedDelivery(message, this.#frames);
    if (this.#options.isIdle?.(delivery.payload)) {
      delivery.ack();
      this.#counts.processed += 1;
      this.#pull();
      return;
    }
    // More messages than asked for come only from a pull that outlived its connection.
    const isFull = this.#inFlight.size >= this.#options.concurrency;
    if (isFull || this.#abort.signal.aborted) this.#waiting.push(delivery);
    else void this.#run(delivery);
    // When the consumer allows only a few messages per pull, the next pull goes out before these are processed.
    if (this.#pulls.outstanding === 0) this.#pull();
  }

  async #run(delivery: ReceivedDelivery): Promise<void> {
    delivery.activeAt = performance.now();
    delivery.slot = this.#inFlight.add(delivery);
    try {
      const outcome = await this.#process(delivery, this.#abort.signal);
      if (!outcome) this.#finish(delivery);
      else if ("subject" in outcome) this.#publisher.send(outcome, this.#afterStoring(delivery));
      else this.#afterStoring(delivery).resolve(outcome);
    } catch (thrown) {
      this.#onFailure(delivery, OrderctlError.from(thrown), "working");
    }
  }

  /**
   * The result is stored before the delivery is acknowledged: a crash between the two repeats the work and loses
   * nothing.
   */
  #afterStoring(delivery: ReceivedDelivery): Sink {
    return {
      resolve: (stored) => {
        if (stored.duplicate) this.#counts.duplicates += 1;
        try {
          delivery.watch?.stored(stored);
          this.#finish(delivery);
        } catch (thrown) {
          this.#onFailure(delivery, OrderctlError.from(thrown), "storing");
        }
      },
      reject: (error) => this.#onFailure(delivery, error, "storing"),
    };
  }

  #finish(delivery: ReceivedDelivery): void {
    delivery.ack();
    this.#counts.processed += 1;
    this.#policy?.onSuccess();
    if (this.#heldBack.size > 0) this.#onFinishedAfterAll(delivery);
    this.#release(delivery);
  }

  /** Ends the store problem that kept this delivery from being processed. */
  #onFinishedAfterAll({ sequence }: ReceivedDelivery): void {
    const problem = this.#heldBack.get(sequence);
    if (problem === undefined) return;
    this.#heldBack.delete(sequence);
    this.#problems.end(problem);
  }

  #release(delivery: ReceivedDelivery): void {
    this.#inFlight.remove(delivery.slot);
    const waiting = this.#stopping ? undefined : this.#waiting.shift();
    if (waiting) void this.#run(waiting);
    else this.#pull();
    this.#changes.changed();
  }

  #onFailure(delivery: ReceivedDelivery, error: OrderctlError, phase: "working" | "storing"): void {
    if (error instanceof RetryLater) {
      this.#postpone(delivery, error);
      return;
    }
    delivery.watch?.failed(error);
    this.#counts.failed += 1;
    this.#lastError = error.message;
    if (!this.#stopping && this.#policy?.isFinal(delivery, error, phase)) void this.#giveUp(delivery, error);
    else this.#handBack(delivery, error);
  }

  #postpone(delivery: ReceivedDelivery, { afterMs, message }: RetryLater): void {
    if (this.#stopping) this.#waiting.push(delivery);
    else delivery.nak(afterMs);
    this.#notes.add(
      `${this.#options.consumer}: ${delivery}: comes again later: ${message}`,
      delivery.watch?.labels(),
    );
    this.#release(delivery);
  }

  /**
   * The copy is stored before the delivery is terminated: after a crash between the two, the next attempt finds the
   * copy.
   */
  async #giveUp(delivery: ReceivedDelivery, error: OrderctlError): Promise<void> {
    try {
      await this.#policy?.keep(delivery, error);
    } catch (thrown) {
      return this.#handBack(delivery, OrderctlError.from(thrown));
    }
    delivery.term();
    this.#release(delivery);
  }

  #handBack(delivery: ReceivedDelivery, error: OrderctlError): void {
    const { backoffMs = 250, consumer } = this.#options;
    if (this.#stopping) this.#waiting.push(delivery);
    else delivery.nakLater(backoffMs);
    if (error.source !== "store" || !this.#isToldOf(delivery, error))
      this.#notes.add(`${consumer}: ${delivery}: ${error.message}`, delivery.watch?.labels());
    this.#release(delivery);
  }

  /**
   * True when a problem reports this failure: one cause may fail thousands of deliveries again and again, and is noted
   * once.
   */
  #isToldOf({ sequence }: ReceivedDelivery, { message, hint }: OrderctlError): boolean {
    const key = `${storeProblem}${message}`;
    const isTold = this.#problems.add(key, typeof hint === "string" ? `${message}: ${hint}` : message);
    if (isTold && this.#heldBack.size < maxHeldBack) this.#heldBack.set(sequence, key);
    return isTold;
  }

  #onTick(): void {
    this.#pulls.forget(false);
    this.#consumer.tick();
    this.#problems.endUnseen(storeProblem, unseenMs);
    this.#pull();
    this.#changes.changed();
    this.#notes.flush();
    this.#policy?.flush();
    const ackWaitMs = this.#consumer.ackWaitMs ?? this.#options.ackWaitMs;
    for (const delivery of this.#inFlight.items()) delivery.keepAlive(ackWaitMs / 3);
  }
}
