import { OrderctlError } from "../../core/errors.ts";
import type { AskedBeside, FlowAudit } from "../../flow/auditor.ts";
import type { OrderEvent } from "../events.ts";
import type { Booked } from "../gateway/read-ledger.ts";
import { type Auditor, createAuditor } from "./auditor.ts";
import { auditRules } from "./rules.ts";

/** The promises of orders, over the log, the stock that was ever there, and the books of the gateway where its address is given. */
export const orderAudit: FlowAudit = {
  rules: auditRules,
  open() {
    const auditor = createAuditor();
    let stock: Map<string, number> | undefined;
    let withGateway = false;
    return {
      add: (event, sequence, storedAtMs) =>
        // What the flow decodes is an order's event.
        auditor.add(event as OrderEvent, sequence, storedAtMs),
      addUnreadable: (subject, reason, sequence) => auditor.addUnreadable(subject, reason, sequence),
      knows: (orderId) => auditor.knows(orderId),
      finish: (scope) => auditor.finish({ ...scope, withGateway, ...(stock && { stock }) }),
      async addOthers(beside) {
        // Read after the log: stock that arrives meanwhile can only allow more.
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

/** What was booked since the audit began may belong to orders that it has not read. */
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

/** Units of each SKU that were ever stocked, or undefined where no inventory was ever kept. */
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
