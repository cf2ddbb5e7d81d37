import { OrderctlError } from "../../core/errors.ts";
import type { FlowLog } from "../../flow/flow.ts";
import { readConsumerProgress } from "../../jetstream/dead-letters/dead-letter-store.ts";
import { readStreamIdentity } from "../../jetstream/streams/apply-topology.ts";
import { ordersStream } from "../subjects.ts";
import { endHold, rebase, type Stock } from "./stock.ts";
import { inventoryConsumer, readReserved } from "./stock-store.ts";

/** Most holds that are looked up at the same time. */
const maxLookups = 64;

/**
 * Returns a function that ends, in the value it is given, the holds whose payment cannot be delivered again, each
 * according to the log: inventory itself ends a hold only when it next touches the SKU, which may be never. Nothing is
 * written. If there is no log, or this user may not read it, the value is returned as stored.
 */
export async function createSettler(log: FlowLog): Promise<(stored: Stock) => Promise<Stock>> {
  const { connection } = log;
  const identity = await readOrUndefined(() => readStreamIdentity(connection, ordersStream));
  const floor = await readOrUndefined(() =>
    readConsumerProgress(connection, ordersStream, inventoryConsumer),
  );
  const lookUp = createLookUp(log);
  return async (stored) => {
    if (identity === undefined || floor === undefined) return stored;
    const stock = rebase(stored, identity);
    const settled = [...stock.holds.keys()].filter((sequence) => sequence <= floor);
    const answers = await Promise.all(settled.map(lookUp));
    for (const [index, sequence] of settled.entries()) {
      const reserved = answers[index];
      if (reserved !== undefined) endHold(stock, sequence, reserved);
    }
    return stock;
  };
}

/** Looks up an order of several SKUs once. */
function createLookUp(log: FlowLog): (sequence: number) => Promise<boolean | undefined> {
  const known = new Map<number, Promise<boolean | undefined>>();
  const turns = Array.from({ length: maxLookups }, (): Promise<unknown> => Promise.resolve());
  return (sequence) => {
    const asked = known.get(sequence);
    if (asked) return asked;
    const turn = known.size % maxLookups;
    const read = () => readOrUndefined(() => readReserved(log, sequence));
    const answer = (turns[turn] ?? Promise.resolve()).then(read);
    turns[turn] = answer.catch(() => undefined);
    known.set(sequence, answer);
    return answer;
  };
}

async function readOrUndefined<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (thrown) {
    const isOurs = thrown instanceof OrderctlError && ["denied", "not_found"].includes(thrown.code);
    if (isOurs) return undefined;
    throw thrown;
  }
}
