import { OrderctlError } from "../../core/errors.ts";

const emptySlot = 0;

/**
 * How many rows each order of a file has, in 12 bytes an order instead of its name: orders are told apart by 64 bits of a
 * hash, so that two of five million are taken for one in one file of a million. Hot path: < 0.3 µs a row.
 */
export class OrderTally {
  readonly #limit: number;
  #size = 0;
  #mask = (1 << 16) - 1;
  #high = new Uint32Array(1 << 16);
  #low = new Uint32Array(1 << 16);
  #rows = new Uint32Array(1 << 16);

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Counts a row. Throws `too_large` where that is one order too many. */
  add(orderId: string): void {
    const slot = this.#slotOf(orderId);
    if (this.#rows[slot] === emptySlot) this.#take(slot, orderId);
    else this.#rows[slot] = (this.#rows[slot] ?? 0) + 1;
  }

  rowsOf(orderId: string): number {
    return this.#rows[this.#slotOf(orderId)] ?? 0;
  }

  #take(slot: number, orderId: string): void {
    if (this.#size >= this.#limit) {
      throw new OrderctlError(
        "too_large",
        `a CSV file has at most ${this.#limit.toLocaleString("en")} orders`,
        {
          hint: "split the file between two orders, with the header in each part",
        },
      );
    }
    const [high, low] = hash(orderId);
    this.#high[slot] = high;
    this.#low[slot] = low;
    this.#rows[slot] = 1;
    this.#size += 1;
    if (this.#size * 10 > this.#rows.length * 7) this.#grow();
  }

  #slotOf(orderId: string): number {
    const [high, low] = hash(orderId);
    return this.#find(high, low);
  }

  #find(high: number, low: number): number {
    let slot = low & this.#mask;
    while (this.#rows[slot] !== emptySlot && !(this.#low[slot] === low && this.#high[slot] === high)) {
      slot = (slot + 1) & this.#mask;
    }
    return slot;
  }

  #grow(): void {
    const [high, low, rows] = [this.#high, this.#low, this.#rows];
    const capacity = rows.length * 2;
    this.#mask = capacity - 1;
    this.#high = new Uint32Array(capacity);
    this.#low = new Uint32Array(capacity);
    this.#rows = new Uint32Array(capacity);
    for (let at = 0; at < rows.length; at++) {
      const count = rows[at] ?? 0;
      if (count === emptySlot) continue;
      const slot = this.#find(high[at] ?? 0, low[at] ?? 0);
      this.#high[slot] = high[at] ?? 0;
      this.#low[slot] = low[at] ?? 0;
      this.#rows[slot] = count;
    }
  }
}

/** Two unlike 32-bit hashes: FNV-1a, and a multiplicative one with the bits of both mixed at the end. */
function hash(text: string): [high: number, low: number] {
  let fnv = 0x811c9dc5;
  let other = 0x9e3779b9 ^ text.length;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    fnv = Math.imul(fnv ^ code, 0x01000193);
    other = Math.imul((other << 13) | (other >>> 19), 5) + Math.imul(code + 1, 0xcc9e2d51);
  }
  other = Math.imul(other ^ (other >>> 16), 0x85ebca6b) ^ (fnv >>> 11);
  fnv = Math.imul(fnv ^ (fnv >>> 15), 0x2c1b3c6d);
  return [(other ^ (other >>> 13)) >>> 0, (fnv ^ (fnv >>> 14)) >>> 0];
}
