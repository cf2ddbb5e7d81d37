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
