import {
  createStock,
  endHold,
  rebase,
  type Stock,
  type TakeResult,
  takeUnanswered,
  takeUnits,
} from "../orders/stock.ts";
import { AckFloor } from "./ack-floor.ts";

export type ShelfEntry = { stock: Stock; revision: number };

/**
 * Where stock is kept, as the shelf needs it. `write` succeeds only if the entry still has the revision that
 * was read (0: there is none) and then answers the new revision, else `undefined`. `ackFloor` is the sequence up
 * to which no payment can be delivered to inventory again. `wasReserved` tells from the log how the order of that
 * payment ended, or `undefined` if it has no answer yet.
 */
export type StockStore = {
  /** `stock` is undefined in an entry that was emptied by hand: it counts as never stocked. */
  read(sku: string): Promise<{ stock: Stock | undefined; revision: number } | undefined>;
  write(sku: string, entry: ShelfEntry): Promise<number | undefined>;
  ackFloor(): Promise<number>;
  wasReserved(sequence: number): Promise<boolean | undefined>;
};

export type ShelfOptions = {
  /** Identity of the log that the sequences belong to. */
  log: string;
  /** Units of a SKU that nobody has stocked. */
  defaultStock: number;
};

type Take = {
  sequence: number;
  units: number;
  resolve: (result: TakeResult) => void;
  reject: (error: unknown) => void;
};

/** A SKU as this process last saw it, and who waits for units of it. */
type Slot = { sku: string; entry: ShelfEntry | undefined; queue: Take[]; busy: boolean };

const maxWrites = 16;
const maxKnown = 50_000;
/** Holds of shelves that are gone, looked up for one write: thousands of them would hold up the orders that wait. */
const maxLookups = 32;

/**
 * Takes stock for orders, exactly once each, with any number of shelves on the same store. All orders that wait
 * for one SKU share one compare-and-set; at most 16 are under way, so that under load the batches grow.
 */
export class StockShelf {
  readonly #store: StockStore;
  readonly #options: ShelfOptions;
  readonly #slots = new Map<string, Slot>();
  readonly #ready: Slot[] = [];
  /** Sequence of a payment → whether its stock stays reserved, as stored in the log. */
  readonly #known = new Map<number, boolean>();
  readonly #floor: AckFloor;
  #writes = 0;
  #lookups = 0;

  constructor(store: StockStore, options: ShelfOptions) {
    this.#store = store;
    this.#options = options;
    this.#floor = new AckFloor(() => store.ackFloor());
  }

  /**
   * Takes every SKU's units for the payment at `sequence`, or tells which are missing; what was taken of the others
   * is given back once `settle` says that the order ended without. Repeating it takes nothing more.
   */
  async take(
    sequence: number,
    units: ReadonlyMap<string, number>,
  ): Promise<{ missing: string[] } | "settled"> {
    const skus = [...units.keys()];
    const results = await Promise.all(skus.map((sku) => this.#takeOne(sku, sequence, units.get(sku) ?? 0)));
    if (results.includes("settled")) return "settled";
    return { missing: skus.filter((_, index) => results[index] === "short") };
  }

  /** Tells what the log holds for the payment at `sequence`. To be called before the delivery is acknowledged. */
  settle(sequence: number, reserved: boolean): void {
    this.#known.set(sequence, reserved);
    if (this.#known.size <= maxKnown) return;
    for (const oldest of this.#known.keys()) {
      this.#known.delete(oldest);
      break;
    }
  }

  #takeOne(sku: string, sequence: number, units: number): Promise<TakeResult> {
    return new Promise((resolve, reject) => {
      let slot = this.#slots.get(sku);
      if (!slot) {
        slot = { sku, entry: undefined, queue: [], busy: false };
        this.#slots.set(sku, slot);
      }
      slot.queue.push({ sequence, units, resolve, reject });
      if (slot.busy || slot.queue.length > 1) return;
      this.#ready.push(slot);
      this.#next();
    });
  }

  #next(): void {
    while (this.#writes < maxWrites) {
      const slot = this.#ready.shift();
      if (!slot) return;
      this.#writes += 1;
      slot.busy = true;
      void this.#serve(slot).finally(() => {
        this.#writes -= 1;
        slot.busy = false;
        if (slot.queue.length > 0) this.#ready.push(slot);
        this.#next();
      });
    }
  }

  async #serve(slot: Slot): Promise<void> {
    const batch = slot.queue.splice(0);
    try {
      const results = await this.#takeBatch(slot, batch);
      batch.forEach((take, index) => {
        take.resolve(results[index] ?? "short");
      });
    } catch (error) {
      slot.entry = undefined;
      for (const take of batch) take.reject(error);
    }
  }

  async #takeBatch(slot: Slot, batch: readonly Take[]): Promise<TakeResult[]> {
    await this.#floor.refresh();
    let fresh = false;
    for (;;) {
      if (!slot.entry) {
        slot.entry = await this.#read(slot.sku);
        fresh = true;
      }
      const { entry } = slot;
      await this.#endSettledHolds(entry.stock);
      const unanswered = await this.#unanswered(batch, entry.stock);
      const results = batch.map(({ sequence, units }) => {
        const take = unanswered.has(sequence) ? takeUnanswered : takeUnits;
        return take(entry.stock, sequence, units);
      });
      if (!fresh && results.includes("short")) slot.entry = undefined;
      else if (await this.#save(slot, entry, results)) return results;
    }
  }

  /** Payments given up on that came again. Asked after the entry was read: an answer stored later changes the entry. */
  async #unanswered(batch: readonly Take[], { settledThrough, holds }: Stock): Promise<Set<number>> {
    const unanswered = new Set<number>();
    for (const { sequence } of batch) {
      if (sequence > settledThrough || holds.has(sequence)) continue;
      if ((await this.#store.wasReserved(sequence)) === undefined) unanswered.add(sequence);
    }
    return unanswered;
  }

  /** Writes only what changed the stock; false when another shelf was faster and the batch has to be done again. */
  async #save(slot: Slot, entry: ShelfEntry, results: readonly TakeResult[]): Promise<boolean> {
    if (!results.includes("held")) return true;
    const revision = await this.#store.write(slot.sku, entry);
    slot.entry = revision === undefined ? undefined : { stock: entry.stock, revision };
    return revision !== undefined;
  }

  async #read(sku: string): Promise<ShelfEntry> {
    const { log, defaultStock } = this.#options;
    const entry = await this.#store.read(sku);
    const stock = entry?.stock ? rebase(entry.stock, log) : createStock(defaultStock, log);
    return { stock, revision: entry?.revision ?? 0 };
  }

  /** Changes `stock` itself: an entry that then cannot be written is read afresh. */
  async #endSettledHolds(stock: Stock): Promise<void> {
    const floor = this.#floor.now;
    await this.#lookUpStrangers(stock);
    for (const sequence of stock.holds.keys()) {
      const reserved = sequence <= floor ? this.#known.get(sequence) : undefined;
      if (reserved !== undefined) endHold(stock, sequence, reserved);
    }
    stock.settledThrough = Math.max(stock.settledThrough, floor);
  }

  /** Remembered, as answers in the log are final: another shelf may be faster with this write, and with the next. */
  async #lookUpStrangers({ holds }: Stock): Promise<void> {
    const strangersFloor = this.#floor.ofStrangers();
    const unknown = [...holds.keys()].filter((each) => each <= strangersFloor && !this.#known.has(each));
    // By turns: those that have no answer in the log must not keep the others from being looked up.
    const from = unknown.length > maxLookups ? this.#lookups % unknown.length : 0;
    const looks = unknown.slice(from, from + maxLookups).map(async (sequence) => {
      const reserved = await this.#store.wasReserved(sequence);
      if (reserved !== undefined) this.settle(sequence, reserved);
    });
    this.#lookups += looks.length;
    await Promise.all(looks);
  }
}
