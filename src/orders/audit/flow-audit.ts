import { OrderctlError } from "../../core/errors.ts";
import type { AskedBeside, FlowAudit } from "../../flow/audit-contract.ts";
import type { OrderEvent } from "../events.ts";
import type { Booked } from "../gateway/read-ledger.ts";
import { type Auditor, createAuditor } from "./auditor.ts";
import { auditRules } from "./rules.ts";

/**
 * Checks `auditRules` over the log, the units ever stocked and, if its address is given, the bookings of the gateway.
 */
export const orderAudit: FlowAudit = {
  rules: auditRules,
  open() {
    const auditor = createAuditor();
    let stock: Map<string, number> | undefined;
    let withGateway = false;
    return {
      add: (event, sequence, storedAtMs) =>
        // The order flow decodes order events only.
        auditor.add(event as OrderEvent, sequence, storedAtMs),
      addUnreadable: (subject, reason, sequence) => auditor.addUnreadable(subject, reason, sequence),
      knows: (orderId) => auditor.knows(orderId),
      finish: (scope) => auditor.finish({ ...scope, withGateway, ...(stock && { stock }) }),
      async addOthers(beside) {
        // Read after the log: units that are stocked in between cannot cause a false `oversold`.
        stock = await readStocked(auditor, beside);
        const gateway = gatewayIn(beside);
        withGateway = gateway !== undefined;
        const booked = gateway ? await addBooked(auditor, gateway, beside) : null;
        return { skus: stock?.size ?? null, booked };
      },
    };
  },
};

function gatewayIn({ options: { gateway } }: AskedBeside): URL | undefined {
  if (gateway === undefined || gateway instanceof URL) return gateway;
  throw new OrderctlError("internal", "the gateway of an audit is no URL");
}

/**
 * Adds the gateway's bookings, except those for unknown orders that were made after the audit began: the audit may not
 * have read these orders.
 */
async function addBooked(
  auditor: Auditor,
  gateway: URL,
  { startedAt, signal }: AskedBeside,
): Promise<number> {
  const { readLedger } = await import("../gateway/read-ledger.ts");
  const ledger: AsyncIterable<Booked> = readLedger(gateway, signal);
  let count = 0;
  for await (const { operation, orderId, ageMs, readAt } of ledger) {
    if (!auditor.knows(orderId) && ageMs <= readAt - startedAt) continue;
    count += 1;
    auditor.addBooked(operation, orderId);
  }
  return count;
}

/** Units of each SKU that were ever stocked; undefined if there is no inventory bucket. */
async function readStocked(
  auditor: Auditor,
  { connection }: AskedBeside,
): Promise<Map<string, number> | undefined> {
  const { readStockEntries } = await import("../stock/read-stock.ts");
  const entries = await readStockEntries(connection);
  if (!entries) return undefined;
  const stocked = new Map<string, number>();
  for (const { sku, stock } of entries) {
    if ("error" in stock) auditor.addUnreadableStock(sku, stock.error);
    else stocked.set(sku, stock.available + stock.reserved);
  }
  return stocked;
}
