import {
  createStock,
  rebase,
  type Stock,
  type TakeResult,
  takeUnanswered,
  takeUnits,
} from "../orders/stock.ts";
import { type PaymentAnswers, SettledHolds } from "./settled-holds.ts";

export type ShelfEntry = { stock: Stock; revision: number };

/**
 * Where stock is kept, as the shelf needs it. `write` succeeds only if the entry still has the revision that
 * was read (0: there is none) and then answers the new revision, else `undefined`.
 */
export type StockStore = PaymentAnswers & {
  /** `stock` is undefined in an entry that was emptied by hand: it counts as never stocked. */
  read(sku: string): Promise<{ stock: Stock | undefined; revision: number } | undefined>;
  write(sku: string, entry: ShelfEntry): Promise<number | undefined>;
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

/**
 * Takes stock for orders, exactly once each, with any number of shelves on the same store. All orders that wait
 * for one SKU share one compare-and-set; at most 16 are under way, so that under load the batches grow.
 */
export class StockShelf {
  readonly #store: StockStore;
  readonly #options: ShelfOptions;
  readonly #slots = new Map<string, Slot>();
  readonly #ready: Slot[] = [];
  readonly #holds: SettledHolds;
  #writes = 0;

  constructor(store: StockStore, options: ShelfOptions) {
    this.#store = store;
    this.#options = options;
    this.#holds = new SettledHolds(store);
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
    this.#holds.settle(sequence, reserved);
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
    await this.#holds.refresh();
    let fresh = false;
    for (;;) {
      if (!slot.entry) {
        slot.entry = await this.#read(slot.sku);
        fresh = true;
      }
      const { entry } = slot;
      const ended = await this.#holds.end(entry.stock);
      const results = await this.#takeEach(batch, entry.stock);
      const isChanged = ended || results.includes("held");
      if (!fresh && results.includes("short")) slot.entry = undefined;
      else if (!isChanged || (await this.#save(slot, entry))) return results;
    }
  }

  async #takeEach(batch: readonly Take[], stock: Stock): Promise<TakeResult[]> {
    const unanswered = await this.#unanswered(batch, stock);
    return batch.map(({ sequence, units }) =>
      (unanswered.has(sequence) ? takeUnanswered : takeUnits)(stock, sequence, units),
    );
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

  /** False when another shelf was faster and the batch has to be done again. */
  async #save(slot: Slot, entry: ShelfEntry): Promise<boolean> {
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
}
