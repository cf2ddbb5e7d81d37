/**
 * Items in flight, each under a small number that is used again after the item is removed. A `Map` with constant
 * additions and removals builds a new table every so often, and V8 keeps the old ones, with everything in them, until
 * its next full collection: at 10,000 messages a second that was a pause of 8 ms every 90 ms.
 */
export class SlotTable<T> {
  readonly #slots: (T | undefined)[] = [];
  readonly #free: number[] = [];

  get size(): number {
    return this.#slots.length - this.#free.length;
  }

  /** Returns the number that `item` has until it is removed. */
  add(item: T): number {
    const slot = this.#free.pop() ?? this.#slots.length;
    this.#slots[slot] = item;
    return slot;
  }

  get(slot: number): T | undefined {
    return this.#slots[slot];
  }

  remove(slot: number): void {
    if (this.#slots[slot] === undefined) return;
    this.#slots[slot] = undefined;
    this.#free.push(slot);
  }

  /** The items in flight, as a copy, in no particular order. */
  items(): T[] {
    return this.#slots.filter((item) => item !== undefined);
  }
}
