import type { Money, OrderEvent, PaymentProcessed, PaymentRefunded } from "../events.ts";
import { formatMoney } from "../money.ts";

type Debt = { total: Money; chargeId?: string };

export type Owed = Money & { chargeId: string | null };

/** The amount that each order not yet notified is worth, and the charge that paid it. */
export class AmountsOwed {
  readonly #debts = new Map<string, Debt>();

  /**
   * Returns what is wrong with an event's amount or charge. Each service copies both from the event before, so a
   * difference means that an event was altered or made up.
   */
  add(event: OrderEvent): string[] {
    switch (event.kind) {
      case "created":
        this.#debts.set(event.orderId, { total: event.total });
        return [];
      case "payments":
        return event.status === "APPROVED" ? this.#pay(event) : [];
      case "refunds":
        return refundFaults(event, this.#debts.get(event.orderId));
      case "notifications":
        this.#debts.delete(event.orderId);
        return [];
      default:
        return [];
    }
  }

  /** What the order is worth, and the charge that paid it; `null` for an order that is not owed any more. */
  of(orderId: string): Owed | null {
    const debt = this.#debts.get(orderId);
    return debt ? { ...debt.total, chargeId: debt.chargeId ?? null } : null;
  }

  take(orderId: string, { amountMinor, currency, chargeId }: Owed): void {
    const total = { amountMinor, currency };
    this.#debts.set(orderId, chargeId === null ? { total } : { total, chargeId });
  }

  forget(orderId: string): void {
    this.#debts.delete(orderId);
  }

  #pay({ orderId, total, chargeId }: PaymentProcessed): string[] {
    const owed = this.#debts.get(orderId);
    if (!owed) return [];
    this.#debts.set(orderId, { total, chargeId });
    if (isSame(total, owed.total)) return [];
    return [`paid ${formatMoney(total)}, and the order is worth ${formatMoney(owed.total)}`];
  }
}

function refundFaults({ total, chargeId }: PaymentRefunded, paid: Debt | undefined): string[] {
  if (paid?.chargeId === undefined) return [];
  const faults: string[] = [];
  if (!isSame(total, paid.total))
    faults.push(`refunded ${formatMoney(total)}, and ${formatMoney(paid.total)} was paid`);
  if (chargeId !== paid.chargeId) faults.push("refunded another charge than the one that was paid");
  return faults;
}

const isSame = (one: Money, other: Money): boolean =>
  one.amountMinor === other.amountMinor && one.currency === other.currency;
