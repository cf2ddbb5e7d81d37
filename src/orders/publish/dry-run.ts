import { createHash } from "node:crypto";
import { isoTime } from "../../core/units.ts";
import type { OrderCreated } from "../events.ts";
import { formatMoney } from "../money.ts";
import { withoutTime } from "../same-order.ts";

/** What publishing a source would store into a log that has none of its orders. */
export type DryRun = {
  orders: number;
  /**
   * `repeated`: orders that the source contains again, unchanged. `conflicts`: orders with the id of an earlier,
   * different one; `conflicting` has the first of their ids.
   */
  repeated: number;
  conflicts: number;
  conflicting: string[];
  /** Sum of all orders, for each currency. */
  totals: { currency: string; amountMinor: number; text: string }[];
  /** Earliest and latest creation time (ISO 8601) of the orders that have one; `null` if none has. */
  earliest: string | null;
  latest: string | null;
};

const shownConflicts = 20;
/** Most orders remembered to recognise repeated ones, 100 bytes each; an order beyond them counts as new each time. */
const remembered = 1_000_000;

/** Reads a source to its end and stores nothing. */
export async function dryRun(source: AsyncIterable<OrderCreated>): Promise<DryRun> {
  const seen = new Map<string, string>();
  const tally = new Tally();
  for await (const order of source) {
    const print = createHash("sha256").update(withoutTime(order)).digest("base64").slice(0, 12);
    const known = seen.get(order.orderId);
    if (known === undefined) tally.addNew(order);
    else if (known === print) tally.repeated += 1;
    else tally.addConflict(order);
    if (known === undefined && seen.size < remembered) seen.set(order.orderId, print);
  }
  return tally.report();
}

class Tally {
  repeated = 0;
  #orders = 0;
  #conflicts = 0;
  readonly #conflicting: string[] = [];
  readonly #totals = new Map<string, number>();
  #earliest: number | undefined;
  #latest: number | undefined;

  addNew({ total: { amountMinor, currency }, createdAtUs }: OrderCreated): void {
    this.#orders += 1;
    this.#totals.set(currency, (this.#totals.get(currency) ?? 0) + amountMinor);
    if (createdAtUs === null) return;
    this.#earliest = Math.min(createdAtUs, this.#earliest ?? createdAtUs);
    this.#latest = Math.max(createdAtUs, this.#latest ?? createdAtUs);
  }

  addConflict({ orderId }: OrderCreated): void {
    this.#conflicts += 1;
    if (this.#conflicting.length < shownConflicts) this.#conflicting.push(orderId);
  }

  report(): DryRun {
    return {
      orders: this.#orders,
      repeated: this.repeated,
      conflicts: this.#conflicts,
      conflicting: this.#conflicting,
      totals: [...this.#totals].map(([currency, amountMinor]) => ({
        currency,
        amountMinor,
        text: formatMoney({ amountMinor, currency }),
      })),
      earliest: this.#earliest === undefined ? null : isoTime(this.#earliest),
      latest: this.#latest === undefined ? null : isoTime(this.#latest),
    };
  }
}
