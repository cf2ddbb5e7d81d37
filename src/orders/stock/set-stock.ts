import { OrderctlError } from "../../core/errors.ts";
import type { FlowLog } from "../../flow/flow.ts";
import { flowTopology } from "../../flow/flow-topology.ts";
import { Publisher } from "../../jetstream/publish/publisher.ts";
import { applyTopology, readStreamIdentity } from "../../jetstream/streams/apply-topology.ts";
import { Bucket, type BucketEntry, type Key } from "../../jetstream/streams/bucket.ts";
import type { StoredMessage } from "../../jetstream/streams/read-message.ts";
import { readEach } from "../../jetstream/streams/read-subject.ts";
import { decodeState } from "../audit/audit-state.ts";
import type { OrderEvent } from "../events.ts";
import { orderShape } from "../flow.ts";
import { ordersStream, subjectOf } from "../subjects.ts";
import { decodeEvent } from "../wire/codec.ts";
import { bySku, type StockLevel, stockLevel } from "./read-stock.ts";
import { createSettler } from "./settle-stock.ts";
import { createStock, decodeStock, encodeStock, type Stock } from "./stock.ts";
import { inventoryBucket } from "./stock-store.ts";

type Units = ReadonlyMap<string, number>;

/**
 * Sets the units of each SKU that are on the shelf; units taken by orders stay as they are. Each SKU is changed by
 * compare-and-set, so that a running inventory service is not disturbed; several SKUs are not changed atomically. An
 * entry that cannot be read is replaced, with the units taken by orders counted from the log. Creates missing streams
 * and consumers. Rejects with `usage` for a new SKU that differs from another only in case, unless `isNew` is set. The
 * error of a failure tells how many SKUs are set; setting all of them again is safe.
 */
export async function setStock(
  flowLog: FlowLog,
  unitsBySku: Units,
  { isNew = false }: { isNew?: boolean } = {},
): Promise<StockLevel[]> {
  const { connection } = flowLog;
  await applyTopology(connection, flowTopology(orderShape));
  const log = await readStreamIdentity(connection, ordersStream);
  const publisher = new Publisher(connection);
  const bucket = new Bucket(connection, publisher, inventoryBucket);
  try {
    const keys = await bucket.keys();
    if (!isNew) await refuseTwins(bucket, unitsBySku, keys);
    const settle = await createSettler(flowLog);
    const inLog = readOnce(() => readReservedUnits(flowLog, new Set(unitsBySku.keys())));
    const stockOf = async (sku: string, entry: BucketEntry | undefined): Promise<Stock> => {
      const known = entry && readable(sku, entry.value);
      if (known) return settle(known);
      const fresh = createStock(0, log);
      return entry ? { ...fresh, reserved: (await inLog()).get(sku) ?? 0 } : fresh;
    };
    const setOne = async ([sku, available]: [string, number]) => {
      for (;;) {
        const entry = await bucket.read(sku);
        const stock = { ...(await stockOf(sku, entry)), available };
        const value = encodeStock(stock);
        const revision = await bucket.write({ key: sku, value, revision: entry?.revision ?? 0 });
        if (revision !== undefined) return stockLevel(sku, stock);
      }
    };
    const levels = levelsOf(await Promise.allSettled([...unitsBySku].map(setOne)));
    const replaced = keys.filter(({ key, isForeign }) => isForeign && unitsBySku.has(key));
    for (const { key } of replaced) await bucket.removeForeign(key);
    return levels.sort(bySku);
  } finally {
    publisher.close();
  }
}

/** Throws the first failure; if some SKUs are set all the same, its message says how many. */
function levelsOf(settled: readonly PromiseSettledResult<StockLevel>[]): StockLevel[] {
  const levels = settled.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
  const failed = settled.find((each) => each.status === "rejected");
  if (!failed) return levels;
  const error = OrderctlError.from(failed.reason);
  if (levels.length === 0) throw error;
  const { code, message, hint = "the same command once more sets all of them", source } = error;
  const text = `${levels.length} of ${settled.length} SKUs are set: ${message}`;
  throw new OrderctlError(code, text, { hint, cause: error, source });
}

/** `undefined` for an entry that orderctl did not write, and for the empty one that `nats kv del` leaves behind. */
function readable(sku: string, value: string): Stock | undefined {
  try {
    return decodeStock(sku, value);
  } catch {
    return undefined;
  }
}

/**
 * Throws `usage` for a new SKU that differs from another only in case: most likely a typing mistake, which would stock
 * a SKU that nobody orders.
 */
async function refuseTwins(bucket: Bucket, unitsBySku: Units, keys: readonly Key[]): Promise<void> {
  const known = new Set(keys.map(({ key }) => key));
  const bySpelling = new Map([...known].map((sku) => [sku.toLowerCase(), sku]));
  for (const sku of unitsBySku.keys()) {
    const twin = bySpelling.get(sku.toLowerCase());
    bySpelling.set(sku.toLowerCase(), sku);
    if (twin === undefined || known.has(sku)) continue;
    const isRemoved = known.has(twin) && (await bucket.read(twin))?.value === "";
    if (isRemoved) continue;
    throw new OrderctlError("usage", `there is ${twin}, and no ${sku} yet: did you mean ${twin}?`, {
      hint: `--new stocks ${sku} beside it`,
    });
  }
}

function readOnce<T>(read: () => Promise<T>): () => Promise<T> {
  let answer: Promise<T> | undefined;
  return () => {
    answer ??= read();
    return answer;
  };
}

/** Units of these SKUs in all RESERVED reservations of the log; of those that are archived, as the audit counted them. */
async function readReservedUnits(
  { connection, archive }: FlowLog,
  skus: ReadonlySet<string>,
): Promise<Map<string, number>> {
  const reservations = { stream: ordersStream, subject: subjectOf("reservations", "*") };
  for (;;) {
    const archived = await archive.auditState();
    const movedTo = archived?.to ?? 0;
    const { reserved } = archived ? decodeState(archived.state) : { reserved: [] };
    const units = new Map(reserved.filter(([sku]) => skus.has(sku)));
    await readEach(connection, { ...reservations, from: movedTo + 1 }, addReserved(units, skus));
    // What was archived meanwhile may have left the stream before it was read.
    if ((await archive.movedTo()) === movedTo) return units;
  }
}

const addReserved =
  (units: Map<string, number>, skus: ReadonlySet<string>) =>
  ({ subject, payload }: StoredMessage): void => {
    const event = reservationIn(subject, payload);
    if (event?.status !== "RESERVED") return;
    for (const { sku, quantity } of event.lines)
      if (skus.has(sku)) units.set(sku, (units.get(sku) ?? 0) + quantity);
  };

function reservationIn(
  subject: string,
  payload: Uint8Array,
): Extract<OrderEvent, { kind: "reservations" }> | undefined {
  try {
    const event = decodeEvent(subject, payload);
    return event.kind === "reservations" ? event : undefined;
  } catch {
    return undefined;
  }
}
