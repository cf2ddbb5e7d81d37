import { endHold, type Stock } from "./stock.ts";

/** What `SettledHolds` asks about payments, which are identified by their stream sequence. */
export type PaymentAnswers = {
  /** The sequence up to which no payment can be delivered to inventory again. */
  ackFloor(): Promise<number>;
  /** Whether the log has the order of that payment as RESERVED; undefined if it has no reservation for it yet. */
  wasReserved(sequence: number): Promise<boolean | undefined>;
};

/** Answers remembered in each of the two generations. */
const maxKnown = 50_000;
/**
 * Most holds left by processes that are gone that one write looks up: thousands of lookups would delay the orders that
 * wait for the write.
 */
const maxLookups = 32;
/** Time between two lookups of a payment without a reservation: it gets one when somebody redrives its dead letter. */
const unansweredMs = 5000;

/** Ends the holds of payments that cannot be delivered again, each according to its reservation in the log. */
export class SettledHolds {
  readonly #answers: PaymentAnswers;
  /** Sequence of a payment → whether its stock stays reserved, according to the log. */
  #known = new Map<number, boolean>();
  /**
   * The previous generation. Deleting the oldest entries of one map one by one gets slower and slower, because V8
   * searches for the oldest entry that is left.
   */
  #knownBefore = new Map<number, boolean>();
  readonly #floor: AckFloor;
  /** Sequence of a payment without a reservation in the log → time of its lookup, on the `performance.now()` clock. */
  readonly #unanswered = new Map<number, number>();

  constructor(answers: PaymentAnswers) {
    this.#answers = answers;
    this.#floor = new AckFloor(() => answers.ackFloor());
  }

  /** Records whether the log has the payment at `sequence` as reserved. */
  settle(sequence: number, reserved: boolean): void {
    this.#unanswered.delete(sequence);
    this.#known.set(sequence, reserved);
    if (this.#known.size < maxKnown) return;
    this.#knownBefore = this.#known;
    this.#known = new Map();
  }

  /** Reads the ack floor again, at most every 100 ms. */
  refresh(): Promise<void> {
    return this.#floor.refresh();
  }

  /**
   * Ends holds in `stock` itself: if the changed entry cannot be written, the caller has to read it again. True if it
   * ended any; then the caller has to write the entry even if it took no units, or each further order that finds the
   * shelf empty would look the same holds up again.
   */
  async end(stock: Stock): Promise<boolean> {
    const held = stock.holds.size;
    const floor = this.#floor.now;
    await this.#lookUpStrangers(stock);
    for (const sequence of stock.holds.keys()) {
      const reserved = sequence <= floor ? this.#isReserved(sequence) : undefined;
      if (reserved !== undefined) endHold(stock, sequence, reserved);
    }
    stock.settledThrough = Math.max(stock.settledThrough, floor);
    return stock.holds.size < held;
  }

  /**
   * Looks up the holds that a process which is gone has left. The answers are remembered because reservations in the
   * log are final, and this write may fail again and again when another shelf is faster.
   */
  async #lookUpStrangers({ holds }: Stock): Promise<void> {
    const strangersFloor = this.#floor.ofStrangers();
    const isDue = (sequence: number) =>
      (this.#unanswered.get(sequence) ?? Number.NEGATIVE_INFINITY) < performance.now() - unansweredMs;
    const due = [...holds.keys()].filter(
      (each) => each <= strangersFloor && this.#isReserved(each) === undefined && isDue(each),
    );
    await Promise.all(due.slice(0, maxLookups).map((sequence) => this.#lookUp(sequence)));
  }

  /** `undefined` if this process does not know the answer. */
  #isReserved(sequence: number): boolean | undefined {
    return this.#known.get(sequence) ?? this.#knownBefore.get(sequence);
  }

  async #lookUp(sequence: number): Promise<void> {
    const reserved = await this.#answers.wasReserved(sequence);
    if (reserved === undefined) this.#unanswered.set(sequence, performance.now());
    else this.settle(sequence, reserved);
  }
}

const readEveryMs = 100;
/** How long another process has to end its own holds before this one reads the log to end them. */
const strangersAfterMs = 5000;

/** The sequence up to which no payment can be delivered to inventory again: now, and as it was a while ago. */
export class AckFloor {
  readonly #read: () => Promise<number>;
  readonly #floors: { at: number; floor: number }[] = [];
  #floor = 0;
  #askedAt = Number.NEGATIVE_INFINITY;

  constructor(read: () => Promise<number>) {
    this.#read = read;
  }

  /** As last read; never decreases. */
  get now(): number {
    return this.#floor;
  }

  /** Reads the floor again, at most every 100 ms. */
  async refresh(): Promise<void> {
    const now = performance.now();
    if (now - this.#askedAt < readEveryMs) return;
    this.#askedAt = now;
    this.#floor = Math.max(this.#floor, await this.#read());
    this.#floors.push({ at: now, floor: this.#floor });
    while ((this.#floors[1]?.at ?? now) <= now - strangersAfterMs) this.#floors.shift();
  }

  /** The floor as it was 5 s ago, 0 if not known: a hold at or below it was left by a process that is gone. */
  ofStrangers(): number {
    const oldest = this.#floors[0];
    return oldest && oldest.at <= performance.now() - strangersAfterMs ? oldest.floor : 0;
  }
}
