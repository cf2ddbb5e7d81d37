import { setMaxListeners } from "node:events";
import type { Msg } from "nats";
import { OrderctlError } from "../errors.ts";
import { ChangeSignal } from "./change-signal.ts";
import type { Connection } from "./connection.ts";
import { DeadLetterOffice } from "./dead-letter-office.ts";
import { ReceivedDelivery } from "./delivery.ts";
import type { FrameWriter } from "./frame-writer.ts";
import type { Publisher } from "./publisher.ts";
import type { Sink } from "./publisher-entry.ts";
import { PullRequests } from "./pull.ts";
import { SlotTable } from "./slot-table.ts";
import { SparseNotes } from "./sparse-notes.ts";
import type { Processor, WorkerCounts, WorkerOptions } from "./worker-options.ts";

/**
 * The loop around a processor. It pulls as many messages as it has free places, processes them, stores what
 * they led to and then acknowledges: a crash in between repeats, never loses. A processor that throws means
 * *again later*. The only code that answers deliveries.
 */
export class Worker {
  readonly #frames: FrameWriter;
  readonly #publisher: Publisher;
  readonly #options: WorkerOptions;
  readonly #process: Processor;
  readonly #office: DeadLetterOffice | undefined;
  readonly #pulls: PullRequests;
  readonly #inFlight = new SlotTable<ReceivedDelivery>();
  readonly #waiting: ReceivedDelivery[] = [];
  readonly #changes = new ChangeSignal();
  readonly #abort = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #notes: SparseNotes;
  readonly #counts = { processed: 0, failed: 0, duplicates: 0 };
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
    this.#office =
      options.deadLetters && new DeadLetterOffice({ connection, publisher }, options, options.deadLetters);
    this.#process = this.#office?.guard(process) ?? process;
    this.#notes = new SparseNotes(options.note);
    // Every handler in flight may listen to it.
    setMaxListeners(0, this.#abort.signal);
    const inbox = connection.newInbox();
    this.#pulls = new PullRequests(
      connection,
      { ...options, inbox },
      // Until the next pull nothing is delivered: waiting for the tick would hold back what comes meanwhile.
      { message: (message) => this.#onMessage(message), expired: () => this.#pull() },
    );
    connection.onReconnect(() => {
      this.#pulls.forget(true);
      this.#pull();
    });
    this.#timer = setInterval(() => this.#onTick(), 250);
    this.#pull();
  }

  get counts(): WorkerCounts {
    return { ...this.#counts, inFlight: this.#inFlight.size };
  }

  /**
   * Stops pulling, hands back what was not started, waits until the rest is stored and acknowledged. What is not
   * finished after `deadlineMs`, or when the worker is paused, is aborted and handed back as well. Nothing is left
   * to time out. A second call waits for the first.
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
    this.#office?.flush();
    await this.#pulls.close();
    this.#handBackWaiting();
    for (const delivery of this.#inFlight.items()) delivery.nak();
  }

  /** What is handed back while a pull of this worker is open would come to this worker again. */
  #handBackWaiting(): void {
    for (const delivery of this.#waiting.splice(0)) delivery.nak();
  }

  #pull(): void {
    if (this.#stopping || this.#options.isPaused?.()) return;
    const { concurrency } = this.#options;
    const free = concurrency - this.#inFlight.size - this.#waiting.length - this.#pulls.outstanding;
    if (free >= Math.max(1, concurrency >> 2)) this.#pulls.ask(free);
  }

  #onMessage(message: Msg): void {
    const delivery = new ReceivedDelivery(message, this.#frames);
    if (this.#options.isIdle?.(delivery.payload)) {
      delivery.ack();
      this.#counts.processed += 1;
      this.#pull();
      return;
    }
    // More than asked for comes only when a pull outlived its connection.
    const isFull = this.#inFlight.size >= this.#options.concurrency;
    if (isFull || this.#abort.signal.aborted) this.#waiting.push(delivery);
    else void this.#run(delivery);
  }

  async #run(delivery: ReceivedDelivery): Promise<void> {
    delivery.activeAt = performance.now();
    delivery.slot = this.#inFlight.add(delivery);
    try {
      const outcome = await this.#process(delivery, this.#abort.signal);
      if (outcome) this.#publisher.send(outcome, this.#afterStoring(delivery));
      else this.#finish(delivery);
    } catch (thrown) {
      this.#onFailure(delivery, OrderctlError.from(thrown), "working");
    }
  }

  /** Stored before it is acknowledged: a crash between the two repeats the work, never loses it. */
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
    this.#release(delivery);
  }

  #release(delivery: ReceivedDelivery): void {
    this.#inFlight.remove(delivery.slot);
    const waiting = this.#stopping ? undefined : this.#waiting.shift();
    if (waiting) void this.#run(waiting);
    else this.#pull();
    this.#changes.changed();
  }

  #onFailure(delivery: ReceivedDelivery, error: OrderctlError, phase: "working" | "storing"): void {
    delivery.watch?.failed(error);
    this.#counts.failed += 1;
    if (!this.#stopping && this.#office?.isFinal(delivery, error, phase)) void this.#giveUp(delivery, error);
    else this.#handBack(delivery, error);
  }

  /** Copied before it is terminated: a crash between the two repeats the work, and finds the copy. */
  async #giveUp(delivery: ReceivedDelivery, error: OrderctlError): Promise<void> {
    try {
      await this.#office?.keep(delivery, error);
    } catch (thrown) {
      return this.#handBack(delivery, OrderctlError.from(thrown));
    }
    delivery.term();
    this.#release(delivery);
  }

  #handBack(delivery: ReceivedDelivery, { message }: OrderctlError): void {
    const { backoffMs = 250, consumer } = this.#options;
    if (this.#stopping) this.#waiting.push(delivery);
    else delivery.nakLater(backoffMs);
    this.#notes.add(`${consumer}: ${delivery}: ${message}`, delivery.watch?.labels());
    this.#release(delivery);
  }

  #onTick(): void {
    this.#pulls.forget(false);
    this.#pull();
    this.#changes.changed();
    this.#notes.flush();
    this.#office?.flush();
    for (const delivery of this.#inFlight.items()) delivery.keepAlive(this.#options.ackWaitMs / 3);
  }
}
