import type { ShelfEntry, StockShelf, StockStore } from "../../../src/orders/stock/stock-shelf.ts";

export type Order = { sequence: number; units: ReadonlyMap<string, number> };

/** Lets the test decide which of the waiting operations goes on next, and which ones fail. */
export type Chance = { pause(): Promise<void>; fails(): boolean };

/** Everything goes on at once, and nothing fails. */
export const calm: Chance = { pause: async () => {}, fails: () => false };

export const log = "log-1";

export const orderOf = (sequence: number, units: Record<string, number>): Order => ({
  sequence,
  units: new Map(Object.entries(units)),
});

/**
 * A store with compare-and-set, the log of reservations and the acknowledgements, in memory. An operation may fail
 * before or after it took effect, as over a network.
 */
export class StockWorld implements StockStore {
  readonly entries = new Map<string, ShelfEntry>();
  readonly reservations = new Map<number, boolean>();
  readonly #acknowledged = new Set<number>();
  readonly #chance: Chance;
  #revision = 0;
  leastAvailable = Number.POSITIVE_INFINITY;

  constructor(chance: Chance) {
    this.#chance = chance;
  }

  read(sku: string): Promise<ShelfEntry | undefined> {
    return this.#overTheNetwork(() => {
      const entry = this.entries.get(sku);
      return entry && structuredClone(entry);
    });
  }

  write(sku: string, { stock, revision }: ShelfEntry): Promise<number | undefined> {
    const written = structuredClone(stock);
    return this.#overTheNetwork(() => {
      if ((this.entries.get(sku)?.revision ?? 0) !== revision) return undefined;
      this.#revision += 1;
      this.leastAvailable = Math.min(this.leastAvailable, written.available);
      this.entries.set(sku, { stock: written, revision: this.#revision });
      return this.#revision;
    });
  }

  ackFloor(): Promise<number> {
    return this.#overTheNetwork(() => {
      let floor = 0;
      while (this.#acknowledged.has(floor + 1)) floor += 1;
      return floor;
    });
  }

  wasReserved(sequence: number): Promise<boolean | undefined> {
    return this.#overTheNetwork(() => this.reservations.get(sequence));
  }

  /** One delivery, as handler and worker do it; false when it has to come again. It may crash at any point. */
  async deliver(shelf: StockShelf, { sequence, units }: Order): Promise<boolean> {
    try {
      const taken = await shelf.take(sequence, units);
      if (taken !== "settled") await this.#conclude(shelf, sequence, taken.missing.length === 0);
      await this.#overTheNetwork(() => this.#acknowledged.add(sequence));
      return true;
    } catch {
      return false;
    }
  }

  /** The worker gave the payment up: its order has no answer. */
  giveUp(sequence: number): void {
    this.#acknowledged.add(sequence);
  }

  async #conclude(shelf: StockShelf, sequence: number, reserved: boolean): Promise<void> {
    await this.#overTheNetwork(() => {
      // The log keeps the first reservation of an order.
      if (!this.reservations.has(sequence)) this.reservations.set(sequence, reserved);
    });
    shelf.settle(sequence, this.reservations.get(sequence) ?? false);
  }

  async #overTheNetwork<T>(operation: () => T): Promise<T> {
    await this.#chance.pause();
    if (this.#chance.fails()) throw new Error("lost on the way there");
    const result = operation();
    await this.#chance.pause();
    if (this.#chance.fails()) throw new Error("lost on the way back");
    return result;
  }
}
