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
  open(state) {
    const auditor = createAuditor({ state });
    let stock: Map<string, number> | undefined;
    let withGateway = false;
    return {
      add: (event, sequence, storedAtMs) =>
        // The order flow decodes order events only.
        auditor.add(event as OrderEvent, sequence, storedAtMs),
      addUnreadable: (subject, reason, sequence) => auditor.addUnreadable(subject, reason, sequence),
      knows: (orderId) => auditor.knows(orderId),
      state: () => auditor.state(),
      maybeRepeated: () => auditor.maybeRepeated(),
      addRepeats: (orderIds) => auditor.addRepeats(orderIds),
      judgeFromHere: () => auditor.judgeFromHere(),
      finish: (scope) => auditor.finish({ ...scope, withGateway, ...(stock && { stock }) }),
      async addOthers(beside) {
        // Read after the log: units that are stocked in between cannot cause a false `oversold`.
        stock = await readStocked(auditor, beside);
        const gateway = gatewayIn(beside);
        withGateway = gateway !== undefined;
        const books = gateway ? await addBooked(auditor, gateway, beside) : nothingBooked;
        return { skus: stock?.size ?? null, ...books };
      },
    };
  },
};

function gatewayIn({ options: { gateway } }: AskedBeside): URL | undefined {
  if (gateway === undefined || gateway instanceof URL) return gateway;
  throw new OrderctlError("internal", "the gateway of an audit is no URL");
}

type Books = { booked: number | null; bookedArchived: number | null };

const nothingBooked: Books = { booked: null, bookedArchived: null };

/** How many bookings of unknown orders are looked up in the archive at once. */
const lookedUpAtOnce = 100_000;

/**
 * Adds the gateway's bookings, except those for unknown orders that were made after the audit began, as the audit may
 * not have read these orders, and those for orders that ended in the part of the log that was not read.
 */
async function addBooked(
  auditor: Auditor,
  gateway: URL,
  { startedAt, signal, findArchived }: AskedBeside,
): Promise<Books> {
  const { readLedger } = await import("../gateway/read-ledger.ts");
  const ledger: AsyncIterable<Booked> = readLedger(gateway, signal);
  const books = { booked: 0, bookedArchived: 0 };
  const add = ({ operation, orderId }: Booked) => {
    books.booked += 1;
    auditor.addBooked(operation, orderId);
  };
  let unknown: Booked[] = [];
  const addUnknown = async () => {
    const archived = await findArchived(unknown.map(({ orderId }) => orderId));
    for (const each of unknown)
      if (archived.has(each.orderId)) books.bookedArchived += 1;
      else add(each);
    unknown = [];
  };
  for await (const each of ledger) {
    if (auditor.knows(each.orderId)) add(each);
    else if (each.ageMs > each.readAt - startedAt) unknown.push(each);
    if (unknown.length >= lookedUpAtOnce) await addUnknown();
  }
  await addUnknown();
  return books;
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
