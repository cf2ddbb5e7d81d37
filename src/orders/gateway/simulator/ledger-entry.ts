import type { Operation } from "../gateway.ts";

/** What a provider has booked, as it is written and told: a charge it made or declined, or a refund. */
export type LedgerEntry = {
  operation: Operation;
  idempotency_key: string;
  status: "approved" | "declined" | "refunded";
  charge_id?: string;
  refund_id?: string;
  reason?: string;
  order_id?: string;
  amount_minor: number;
  currency: string;
  /** ISO time. */
  booked_at: string;
};

/** The operation stands first in each line, so that lines can be told apart unread. */
export const encodeEntry = ({ operation, ...entry }: LedgerEntry): string =>
  JSON.stringify({ operation, ...entry });

/** Undefined for what is no line of a ledger. */
export function decodeEntry(line: string): LedgerEntry | undefined {
  try {
    const entry: LedgerEntry = JSON.parse(line);
    const isEntry = isOperation(entry.operation) && typeof entry.idempotency_key === "string";
    return isEntry && line.startsWith(linePrefix(entry.operation)) ? entry : undefined;
  } catch {
    return undefined;
  }
}

export const linePrefix = (operation: Operation): string => `{"operation":"${operation}",`;

const isOperation = (value: unknown): value is Operation => value === "charge" || value === "refund";
