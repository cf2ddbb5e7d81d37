import { OrderctlError } from "../../core/errors.ts";
import { SparseNotes } from "../../core/sparse-notes.ts";
import type { Connection } from "../client/connection.ts";
import type { ReceivedDelivery } from "../consume/delivery.ts";
import type { DeadLetterRule, Processor, WorkerOptions } from "../consume/worker-options.ts";
import type { Publisher } from "../publish/publisher.ts";
import {
  type DeadLetterMark,
  deadLetterHeader,
  encodeMark,
  headersForCopy,
  type Origin,
  plainDetail,
  redriveHeader,
} from "./dead-letter.ts";
import { stopCrashLoops } from "./dead-letter-loops.ts";
import { KeptCopies } from "./kept-copies.ts";

const maxCounted = 20_000;

/** `successesBefore`: how many messages had been worked on when it failed first. */
type Failures = { count: number; firstAt: number; successesBefore: number };

/** Decides which deliveries a worker gives up on, and stores one full copy of each. */
export class DeadLetterPolicy {
  readonly #connection: Connection;
  readonly #publisher: Publisher;
  readonly #options: WorkerOptions;
  readonly #rule: DeadLetterRule;
  readonly #notes: SparseNotes;
  readonly #copies: KeptCopies;
  /** By stream sequence: how often that message failed in this process for a reason of its own. */
  readonly #failures = new Map<number, Failures>();
  #successes = 0;

  constructor(
    { connection, publisher }: { connection: Connection; publisher: Publisher },
    options: WorkerOptions,
    rule: DeadLetterRule,
  ) {
    this.#connection = connection;
    this.#publisher = publisher;
    this.#options = options;
    this.#rule = rule;
    this.#notes = new SparseNotes(options.note);
    const prefix = `${options.stream}/${options.consumer}/`;
    this.#copies = new KeptCopies(connection, { stream: rule.stream, prefix });
  }

  /** Wraps the processor so that it no longer gets a message that ends the process each time. */
  guard(process: Processor): Processor {
    const { stream, consumer } = this.#options;
    const { maxAttempts, suspects } = this.#rule;
    const client = { connection: this.#connection, publisher: this.#publisher };
    const place = { bucket: suspects, prefix: `${stream}.${consumer}`, maxAttempts };
    return stopCrashLoops(process, client, place);
  }

  /**
   * True when the delivery is not to be tried again after this failure: at once when the message itself is at fault, or
   * the message that it leads to; never when the broker or a store failed, which says nothing about the message; else
   * at the `maxAttempts`-th failure in this process, though not before `patienceMs` where no other message has succeeded
   * since its first one. Failures do not count while the broker is away or the worker is paused because of a dependency.
   */
  isFinal({ sequence }: ReceivedDelivery, error: OrderctlError, phase: "working" | "storing"): boolean {
    const { code, source } = error;
    // The message that it led to contradicts what is stored.
    if (source === "message" || (phase === "storing" && code === "conflict")) return true;
    if (source === "broker" || source === "store" || code === "interrupted") return false;
    if (!this.#connection.isConnected()) return false;
    if (this.#options.isPaused?.()) return false;
    const { maxAttempts, patienceMs = 0 } = this.#rule;
    const { count, firstAt, successesBefore } = this.#countFailure(sequence);
    const isAlone = this.#successes === successesBefore;
    return count >= maxAttempts && !(isAlone && performance.now() - firstAt < patienceMs);
  }

  /** To be called for each message that was worked on. */
  onSuccess(): void {
    this.#successes += 1;
  }

  #countFailure(sequence: number): Failures {
    const before = this.#failures.get(sequence) ?? {
      count: 0,
      firstAt: performance.now(),
      successesBefore: this.#successes,
    };
    const failures = { ...before, count: before.count + 1 };
    // Moves the entry to the end of the map, so that the first entry is the one that failed the longest ago.
    this.#failures.delete(sequence);
    this.#failures.set(sequence, failures);
    const [oldest] = this.#failures.size > maxCounted ? this.#failures.keys() : [];
    if (oldest !== undefined) this.#failures.delete(oldest);
    return failures;
  }

  /**
   * Resolves once a copy of the delivery is stored, by this call or an earlier one, of this process or another. Each
   * copy is a compare-and-set on the last sequence at which its subject held no copy of this delivery, so that only one
   * is stored. Rejects as the publisher does.
   */
  async keep(delivery: ReceivedDelivery, error: OrderctlError): Promise<void> {
    const mark = this.#markOf(delivery, error);
    const subject = this.#rule.subjectFor(mark.origin.subject, delivery);
    await this.#copies.inTurn(subject, async () => {
      while (!(await this.#isKept(delivery, mark, subject))) {
        // Another worker stored a copy under the same subject first: look at the subject again.
      }
    });
    this.#failures.delete(delivery.sequence);
    const what = `${mark.origin.subject} (sequence ${mark.origin.sequence}, attempt ${mark.attempts})`;
    const text = `${this.#options.consumer}: dead letter: ${what}: ${mark.reason}: ${mark.detail}`;
    this.#notes.add(text, delivery.watch?.labels());
  }

  /** False when the subject has changed since it was read. */
  async #isKept(delivery: ReceivedDelivery, mark: DeadLetterMark, subject: string): Promise<boolean> {
    const { lastSequence, deliveries } = await this.#copies.look(subject);
    if (deliveries.has(mark.delivery)) return true;
    try {
      await this.#store(delivery, mark, { subject, expectedSequence: lastSequence });
      return true;
    } catch (thrown) {
      if (thrown instanceof OrderctlError && thrown.code === "conflict") return false;
      throw thrown;
    }
  }

  async #store(
    delivery: ReceivedDelivery,
    mark: DeadLetterMark,
    place: { subject: string; expectedSequence: number },
  ): Promise<void> {
    const { payload } = delivery;
    const copied = headersForCopy(delivery.headerText);
    delete copied[redriveHeader];
    const headers = (marked: DeadLetterMark) => ({ ...copied, [deadLetterHeader]: encodeMark(marked) });
    try {
      await this.#publisher.publish({ ...place, payload, headers: headers(mark) });
    } catch (thrown) {
      if (!(thrown instanceof OrderctlError) || thrown.code !== "too_large") throw thrown;
      // The message may already be as large as the broker allows; the mark makes it larger.
      const omitted = { ...mark, omittedBytes: payload.length };
      await this.#publisher.publish({
        ...place,
        payload: new Uint8Array(),
        headers: { [deadLetterHeader]: encodeMark(omitted) },
      });
    }
  }

  #markOf(delivery: ReceivedDelivery, { code, message }: OrderctlError): DeadLetterMark {
    const { stream } = this.#options;
    const { service, instance, consumer, consumerFor, originOf } = this.#rule;
    const { subject, sequence, storedAtUs, attempt } = delivery;
    const own: Origin = { stream, subject, sequence, storedAtUs };
    const { origin, redriveOf } = originOf?.(delivery) ?? { origin: own, redriveOf: null };
    return {
      delivery: `${stream}/${this.#options.consumer}/${sequence}/${storedAtUs}`,
      reason: code,
      detail: plainDetail(message),
      attempts: attempt,
      origin,
      consumer: consumerFor?.(delivery) ?? consumer,
      service,
      instance,
      atUs: Date.now() * 1000,
      redriveOf,
      omittedBytes: null,
    };
  }

  /** To be called regularly: notes are written at most once a second. */
  flush(): void {
    this.#notes.flush();
  }
}
