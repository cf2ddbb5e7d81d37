import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { readDeadLetters } from "../../src/dead-letters/dead-letters.ts";
import { readLog } from "../../src/flow/read-log.ts";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { readDrift } from "../../src/jetstream/streams/apply-topology.ts";
import type { StoredMessage } from "../../src/jetstream/streams/read-message.ts";
import type { OrderEvent } from "../../src/orders/events.ts";
import { decodeEntry } from "../../src/orders/gateway/simulator/ledger.ts";
import { decodeEvent } from "../../src/orders/wire/codec.ts";
import { decodeHop, hopHeader } from "../../src/telemetry/hop.ts";
import { hastyTopology } from "../flow/hasty-topology.ts";
import { orderLog } from "../support/order-log.ts";
import { orderctl } from "../support/supervised.ts";
import { until } from "../support/until.ts";
import { type Finding, OrderBooks } from "./order-books.ts";
import type { Unleashed } from "./unleash.ts";
import type { World } from "./world.ts";

export type Judged = {
  findings: Finding[];
  orders: number;
  events: number;
  charges: number;
  /** Events that were stored at a later delivery than the first. */
  redelivered: number;
  /** The most deliveries that it took to store one. */
  mostAttempts: number;
};

/** Reads what is there at the end and checks every promise, by itself and with the program's own audit. */
export async function judge(world: World, run: Unleashed & { ackWaitMs: number }): Promise<Judged> {
  const books = new OrderBooks();
  const log = await addLog(books, world.admin);
  const charges = await addLedger(books, world.ledger);
  for (const { letter } of await readDeadLetters(orderLog(world.admin))) books.addDeadLetter(letter.subject);
  const findings = books.judge(run);
  findings.push(
    {
      promise: "nothing acknowledged had to be stored again",
      checked: run.acknowledged.size,
      broken: anew(run),
    },
    {
      promise: "no publisher at work gave up because nobody answered for the log",
      checked: run.started,
      broken: run.unanswered === 0 ? [] : [`${run.unanswered} of ${run.started} publishers did`],
    },
    await restored(world, run.ackWaitMs),
    await audited(world, run.poisoned.size),
    await stopped(world),
  );
  return { findings, orders: run.acknowledged.size, charges, ...log };
}

const anew = ({ storedAnew }: Unleashed): string[] =>
  storedAnew === 0
    ? []
    : [`${storedAnew} orders were acknowledged, and stored anew when they were sent again`];

async function addLog(books: OrderBooks, admin: Connection) {
  const seen = { events: 0, redelivered: 0, mostAttempts: 1 };
  const add = ({ subject, payload, header }: StoredMessage) => {
    const event = eventIn(subject, payload);
    if (!event) return books.addUnreadable(subject);
    seen.events += 1;
    const attempt = decodeHop(header(hopHeader))?.attempt ?? 1;
    if (attempt > 1) seen.redelivered += 1;
    seen.mostAttempts = Math.max(seen.mostAttempts, attempt);
    books.addEvent(event.kind, event.orderId, "status" in event ? event.status : undefined);
  };
  const { signal } = new AbortController();
  for await (const batch of readLog(orderLog(admin), { from: 1, signal })) batch.forEach(add);
  return seen;
}

function eventIn(subject: string, payload: Uint8Array): OrderEvent | undefined {
  try {
    return decodeEvent(subject, payload);
  } catch {
    return undefined;
  }
}

/** From the file itself: what the gateway would tell of it need not be the same. */
async function addLedger(books: OrderBooks, path: string): Promise<number> {
  let charges = 0;
  for await (const line of createInterface({ input: createReadStream(path) })) {
    const entry = decodeEntry(line);
    if (!entry) throw new Error(`${path}: this is no entry: ${line}`);
    if (entry.status === "declined") continue;
    if (entry.operation === "charge") charges += 1;
    books.addBooked(entry.operation, entry.idempotency_key.replace(/^refund_/, ""));
  }
  return charges;
}

async function restored({ admin }: World, ackWaitMs: number): Promise<Finding> {
  const topology = hastyTopology(ackWaitMs);
  const drift = await readDrift(admin, topology);
  const checked = topology.streams.length + topology.consumers.length;
  return {
    promise: "streams and consumers are as they were",
    checked,
    broken: drift.map(({ kind, name, setting, actual }) => `${kind} ${name}: ${setting} is ${actual}`),
  };
}

/** With the segments of the archive read again. Nothing but the garbage may break a promise. */
async function audited({ broker, gatewayUrl }: World, poisoned: number): Promise<Finding> {
  const words = `audit --all --grace 0s --gateway ${gatewayUrl} --server ${broker.url} --json`;
  const { stdout, stderr } = await orderctl(words);
  const audit = stdout === "" ? undefined : JSON.parse(stdout).data;
  const violations = { ...audit?.violations, unreadable: audit?.violations.unreadable - poisoned };
  const broken = Object.entries(violations).filter(([, count]) => count !== 0);
  return {
    promise: "orderctl audit --all --gateway finds no fault but the garbage",
    checked: 1,
    broken: [...broken.map(([rule, count]) => `${rule}: ${count}`), stderr].filter(Boolean),
  };
}

async function stopped({ workers, archiver }: World): Promise<Finding> {
  // One of them may have done all the work while the other, killed last, was still starting.
  await until(() => workers.every((worker) => worker.stdout() !== ""), 60_000);
  const ends = await Promise.all([...workers, archiver].map((each) => each.stop()));
  const broken = ends.filter(({ exitCode }) => exitCode !== 0).map(({ stderr }) => stderr);
  return {
    promise: "every worker and the archiver stop in good order when it is told to",
    checked: ends.length,
    broken,
  };
}
