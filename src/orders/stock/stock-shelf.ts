import { type PaymentAnswers, SettledHolds } from "./settled-holds.ts";
import { createStock, rebase, type Stock, type TakeResult, takeUnanswered, takeUnits } from "./stock.ts";

export type ShelfEntry = { stock: Stock; revision: number };

/**
 * The store that `StockShelf` reads and writes entries in. `write` is a compare-and-set: it stores the entry only if
 * the key still has the revision that was read (0: no entry yet), and resolves to the new revision, or to `undefined`
 * if another writer was faster.
 */
export type StockStore = PaymentAnswers & {
  /** `stock` is undefined for an entry that was emptied by hand; the SKU then counts as never stocked. */
  read(sku: string): Promise<{ stock: Stock | undefined; revision: number } | undefined>;
  write(sku: string, entry: ShelfEntry): Promise<number | undefined>;
};

export type ShelfOptions = {
  /** Identity of the order log that the payment sequences belong to. */
  log: string;
  /** Units available of a SKU that nobody has stocked. */
  defaultStock: number;
};

/** An order whose stock is being taken. */
type Order = {
  sequence: number;
  units: ReadonlyMap<string, number>;
  /** SKUs and units that are not queued at their slot yet. */
  left: Iterator<[string, number]>;
  /** Takes queued at their slots; those that have begun are removed at the order's next turn. */
  waiting: Take[];
  /** Number of takes, queued or begun, that have no result yet. */
  open: number;
  /** Number of SKUs that were served because it was this order's turn. */
  turns: number;
  isLong: boolean;
  isQueued: boolean;
  /** The promise of `take` is settled: takes that are left are skipped. */
  isOver: boolean;
  missing: Set<string>;
  resolve: (result: Taken) => void;
  reject: (error: unknown) => void;
};

type Taken = { missing: string[] } | "settled";

/** Units of one SKU for one order. */
type Take = { order: Order; slot: Slot; units: number; isBegun: boolean };

/** `enough`: the units are available, but not taken, because the order already misses another SKU. */
type Result = TakeResult | "enough";

/** The entry of one SKU as this process last read or wrote it, and the takes that wait for it. */
type Slot = { sku: string; entry: ShelfEntry | undefined; isNew: boolean; queue: Take[]; busy: boolean };

/** SKUs whose entries are read or written at the same time. */
const maxUnderWay = 16;
/** SKUs that one order queues at the same time; an order that has had as many turns counts as long. */
const maxAsked = 32;
/** Slots kept in each of the two generations. */
const maxSlots = 10_000;

/**
 * Takes stock for orders, exactly once per order, with any number of shelves (in other processes) on the same store.
 * All orders that wait for one SKU share one compare-and-set; at most 16 SKUs are served at the same time, so that
 * batches grow under load.
 *
 * Orders take turns, one SKU per turn, so that a short order does not wait behind the thousands of lines of others.
 * Long orders are finished one after the other and get every second turn: the delivery of the first one is then free
 * sooner than if all advanced evenly. Hot path: < 5 µs per SKU besides the store's time.
 */
export class StockShelf {
  readonly #store: StockStore;
  readonly #options: ShelfOptions;
  #slots = new Map<string, Slot>();
  /**
   * The previous generation, dropped when `#slots` is full again, so that made-up SKUs do not stay in memory. Dropping
   * a slot in use costs only time: every write is a compare-and-set.
   */
  #slotsBefore = new Map<string, Slot>();
  readonly #turns: Order[] = [];
  readonly #longOrders: Order[] = [];
  #isLongTurn = false;
  readonly #holds: SettledHolds;
  #underWay = 0;

  constructor(store: StockStore, options: ShelfOptions) {
    this.#store = store;
    this.#options = options;
    this.#holds = new SettledHolds(store);
  }

  /**
   * Takes every SKU's units for the payment at `sequence`, or resolves to the SKUs that are short. Units taken of the
   * other SKUs go back after `settle` has reported that the order ended without its stock. Resolves to `settled` if the
   * log already has the payment's reservation. Calling it again for the same payment takes nothing more.
   */
  take(sequence: number, units: ReadonlyMap<string, number>): Promise<Taken> {
    if (units.size === 0) return Promise.resolve({ missing: [] });
    return new Promise((resolve, reject) => {
      const order: Order = {
        sequence,
        units,
        left: units.entries(),
        waiting: [],
        open: 0,
        turns: 0,
        isLong: false,
        isQueued: false,
        isOver: false,
        missing: new Set(),
        resolve,
        reject,
      };
      this.#ask(order);
      this.#next();
    });
  }

  /** Records whether the log has the payment at `sequence` as reserved. Call it before the delivery is acknowledged. */
  settle(sequence: number, reserved: boolean): void {
    this.#holds.settle(sequence, reserved);
  }

  #ask(order: Order): void {
    while (order.open < maxAsked) {
      const next = order.left.next();
      if (next.done) break;
      const [sku, units] = next.value;
      const take = { order, slot: this.#slot(sku), units, isBegun: false };
      take.slot.queue.push(take);
      order.waiting.push(take);
      order.open += 1;
    }
    this.#queue(order);
  }

  #slot(sku: string): Slot {
    const known = this.#slots.get(sku);
    if (known) return known;
    if (this.#slots.size >= maxSlots) {
      this.#slotsBefore = this.#slots;
      this.#slots = new Map();
    }
    const before = this.#slotsBefore.get(sku);
    const slot = before ?? { sku, entry: undefined, isNew: true, queue: [], busy: false };
    this.#slots.set(sku, slot);
    return slot;
  }

  #queue(order: Order): void {
    if (order.isQueued || order.isOver || order.waiting.length === 0) return;
    order.isQueued = true;
    if (order.turns < maxAsked) this.#turns.push(order);
    else if (order.isLong) this.#longOrders.unshift(order);
    else {
      order.isLong = true;
      this.#longOrders.push(order);
    }
  }

  #next(): void {
    while (this.#underWay < maxUnderWay) {
      const slot = this.#nextSlot();
      if (!slot) return;
      this.#underWay += 1;
      slot.busy = true;
      void this.#serve(slot).finally(() => {
        this.#underWay -= 1;
        slot.busy = false;
        for (const { order } of slot.queue) this.#queue(order);
        this.#next();
      });
    }
  }

  /** Skips an order whose queued SKUs are all busy; `#next` puts the order back when one of them has been served. */
  #nextSlot(): Slot | undefined {
    for (let order = this.#nextOrder(); order; order = this.#nextOrder()) {
      order.isQueued = false;
      order.waiting = order.waiting.filter(({ isBegun }) => !isBegun);
      const take = order.isOver ? undefined : order.waiting.find(({ slot }) => !slot.busy);
      if (!take) continue;
      take.isBegun = true;
      order.turns += 1;
      if (order.waiting.length > 1) this.#queue(order);
      return take.slot;
    }
    return undefined;
  }

  #nextOrder(): Order | undefined {
    this.#isLongTurn = !this.#isLongTurn;
    return this.#isLongTurn
      ? (this.#longOrders.shift() ?? this.#turns.shift())
      : (this.#turns.shift() ?? this.#longOrders.shift());
  }

  async #serve(slot: Slot): Promise<void> {
    const batch = slot.queue.splice(0).filter(({ order }) => !order.isOver);
    if (batch.length === 0) return;
    for (const take of batch) take.isBegun = true;
    try {
      const results = await this.#takeBatch(slot, batch);
      batch.forEach((take, index) => {
        this.#answer(take, results[index] ?? "short");
      });
    } catch (error) {
      slot.entry = undefined;
      for (const { order } of batch) {
        order.isOver = true;
        order.reject(error);
      }
    }
  }

  #answer({ order, slot }: Take, result: Result): void {
    order.open -= 1;
    if (order.isOver) return;
    if (result === "short") order.missing.add(slot.sku);
    if (result !== "settled") this.#ask(order);
    if (result !== "settled" && order.open > 0) return;
    order.isOver = true;
    order.resolve(
      result === "settled"
        ? result
        : { missing: [...order.units.keys()].filter((sku) => order.missing.has(sku)) },
    );
  }

  async #takeBatch(slot: Slot, batch: readonly Take[]): Promise<Result[]> {
    await this.#holds.refresh();
    let fresh = false;
    for (;;) {
      if (!slot.entry) fresh = await this.#load(slot);
      const results = await this.#takeOnce(slot, batch, fresh);
      if (results) return results;
    }
  }

  /** `undefined` if the entry has to be read again: another writer changed it, or the remembered one was short. */
  async #takeOnce(slot: Slot, batch: readonly Take[], fresh: boolean): Promise<Result[] | undefined> {
    const entry = slot.entry ?? this.#unstocked();
    const ended = await this.#holds.end(entry.stock);
    const results = await this.#takeEach(batch, entry.stock);
    if (!fresh && results.includes("short")) {
      slot.entry = undefined;
      return undefined;
    }
    const isChanged = ended || results.includes("held");
    return !isChanged || (await this.#save(slot, entry)) ? results : undefined;
  }

  /** Loads the slot's entry: true if it was read from the store, false if it is assumed to be missing. */
  async #load(slot: Slot): Promise<boolean> {
    // A SKU that is new to this process most likely has no entry, so the read is saved; where there is an entry, the
    // write with revision 0 is refused.
    const isGuess = slot.isNew && this.#options.defaultStock > 0;
    slot.isNew = false;
    slot.entry = isGuess ? this.#unstocked() : await this.#read(slot.sku);
    return !isGuess;
  }

  async #takeEach(batch: readonly Take[], stock: Stock): Promise<Result[]> {
    const unanswered = await this.#unanswered(batch, stock);
    return batch.map(({ order: { sequence, missing }, units }) => {
      const isUnanswered = unanswered.has(sequence);
      // An order that misses another SKU ends without stock: nothing is taken, and no entry is made, for it.
      if (missing.size > 0) return findUnits(stock, { sequence, units, isUnanswered });
      return (isUnanswered ? takeUnanswered : takeUnits)(stock, sequence, units);
    });
  }

  /**
   * Payments of the batch at or below `settledThrough` that have no reservation in the log: inventory gave up on them,
   * and they were delivered again. Called after the entry was read: a process that stores such a reservation later also
   * changes the entry, so that this batch's compare-and-set fails.
   */
  async #unanswered(batch: readonly Take[], { settledThrough, holds }: Stock): Promise<Set<number>> {
    const unanswered = new Set<number>();
    for (const { order } of batch) {
      if (order.sequence > settledThrough || holds.has(order.sequence)) continue;
      if ((await this.#store.wasReserved(order.sequence)) === undefined) unanswered.add(order.sequence);
    }
    return unanswered;
  }

  /** False when another writer was faster and the batch has to be done again. */
  async #save(slot: Slot, entry: ShelfEntry): Promise<boolean> {
    const revision = await this.#store.write(slot.sku, entry);
    slot.entry = revision === undefined ? undefined : { stock: entry.stock, revision };
    return revision !== undefined;
  }

  async #read(sku: string): Promise<ShelfEntry> {
    const entry = await this.#store.read(sku);
    const stock = entry?.stock ? rebase(entry.stock, this.#options.log) : this.#unstocked().stock;
    return { stock, revision: entry?.revision ?? 0 };
  }

  #unstocked(): ShelfEntry {
    const { log, defaultStock } = this.#options;
    return { stock: createStock(defaultStock, log), revision: 0 };
  }
}

type Wanted = { sequence: number; units: number; isUnanswered: boolean };

function findUnits(stock: Stock, { sequence, units, isUnanswered }: Wanted): Result {
  if (stock.holds.has(sequence)) return "enough";
  if (sequence <= stock.settledThrough && !isUnanswered) return "settled";
  return stock.available < units ? "short" : "enough";
}
