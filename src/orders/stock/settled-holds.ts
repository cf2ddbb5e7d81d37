import { endHold, type Stock } from "./stock.ts";

/** What is asked about payments, which are named by their stream sequence. */
export type PaymentAnswers = {
  /** Up to which one none can be delivered to inventory again. */
  ackFloor(): Promise<number>;
  /** From the log, how the order of that payment went on; undefined if it has no answer yet. */
  wasReserved(sequence: number): Promise<boolean | undefined>;
};

/** Of each of two generations. */
const maxKnown = 50_000;
/** Holds of shelves that are gone, looked up for one write: thousands of them would hold up the orders that wait. */
const maxLookups = 32;
/** How soon an order that had no answer is looked up again: it gets one when somebody redrives its dead letter. */
const unansweredMs = 5000;

/** Ends the holds of payments that cannot come again, each as the log says that its order went on. */
export class SettledHolds {
  readonly #answers: PaymentAnswers;
  /** Sequence of a payment → whether its stock stays reserved, as stored in the log. */
  #known = new Map<number, boolean>();
  /** What was known before. To drop the oldest entry of a map one by one takes longer and longer: V8 looks for it. */
  #knownBefore = new Map<number, boolean>();
  readonly #floor: AckFloor;
  /** Sequence of a payment that had no answer in the log → when that was, on the `performance.now()` clock. */
  readonly #unanswered = new Map<number, number>();

  constructor(answers: PaymentAnswers) {
    this.#answers = answers;
    this.#floor = new AckFloor(() => answers.ackFloor());
  }

  /** Tells what the log holds for the payment at `sequence`. */
  settle(sequence: number, reserved: boolean): void {
    this.#unanswered.delete(sequence);
    this.#known.set(sequence, reserved);
    if (this.#known.size < maxKnown) return;
    this.#knownBefore = this.#known;
    this.#known = new Map();
  }

  /** Reads, where it is time, up to which payment nothing comes again. */
  refresh(): Promise<void> {
    return this.#floor.refresh();
  }

  /**
   * Changes `stock` itself: an entry that then cannot be written is to be read afresh. True if it ended any: an empty
   * shelf is to be written then as well, or each order that finds it empty would ask for them again.
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

  /** Remembered, as answers in the log are final: another shelf may be faster with this write, and with the next. */
  async #lookUpStrangers({ holds }: Stock): Promise<void> {
    const strangersFloor = this.#floor.ofStrangers();
    const isDue = (sequence: number) =>
      (this.#unanswered.get(sequence) ?? Number.NEGATIVE_INFINITY) < performance.now() - unansweredMs;
    const due = [...holds.keys()].filter(
      (each) => each <= strangersFloor && this.#isReserved(each) === undefined && isDue(each),
    );
    await Promise.all(due.slice(0, maxLookups).map((sequence) => this.#lookUp(sequence)));
  }

  /** Undefined where it is not known. */
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
/** How long another instance has to end its own holds before this one reads the log to end them. */
const strangersAfterMs = 5000;

/** Up to which payment nothing can be delivered to inventory again: now, and as it was a while ago. */
export class AckFloor {
  readonly #read: () => Promise<number>;
  readonly #floors: { at: number; floor: number }[] = [];
  #floor = 0;
  #askedAt = Number.NEGATIVE_INFINITY;

  constructor(read: () => Promise<number>) {
    this.#read = read;
  }

  /** As last read; never goes back. */
  get now(): number {
    return this.#floor;
  }

  /** Reads it again, at most every 100 ms. */
  async refresh(): Promise<void> {
    const now = performance.now();
    if (now - this.#askedAt < readEveryMs) return;
    this.#askedAt = now;
    this.#floor = Math.max(this.#floor, await this.#read());
    this.#floors.push({ at: now, floor: this.#floor });
    while ((this.#floors[1]?.at ?? now) <= now - strangersAfterMs) this.#floors.shift();
  }

  /** The floor of a while ago: what was settled then and is still held was left by a shelf that is gone. */
  ofStrangers(): number {
    const oldest = this.#floors[0];
    return oldest && oldest.at <= performance.now() - strangersAfterMs ? oldest.floor : 0;
  }
}
