import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { openArchivedLog } from "../../src/archive/open-archived-log.ts";
import { readDeadLetters } from "../../src/dead-letters/dead-letters.ts";
import type { FlowEvent, FlowLog } from "../../src/flow/flow.ts";
import { readLog } from "../../src/flow/read-log.ts";
import { readDrift } from "../../src/jetstream/streams/apply-topology.ts";
import type { StoredMessage } from "../../src/jetstream/streams/read-message.ts";
import { decodeEntry } from "../../src/orders/gateway/simulator/ledger.ts";
import { decodeHop, hopHeader } from "../../src/telemetry/hop.ts";
import { hastyTopology } from "../flow/hasty-topology.ts";
import { orderctl } from "../support/supervised.ts";
import { until } from "../support/until.ts";
import { Books, type Finding } from "./books.ts";
import type { Unleashed } from "./unleash.ts";
import type { World } from "./world.ts";

export type Judged = {
  findings: Finding[];
  /** First events that were acknowledged. */
  keys: number;
  events: number;
  charges: number;
  /** Events that were stored at a later delivery than the first. */
  redelivered: number;
  /** The most deliveries that it took to store one. */
  mostAttempts: number;
};

/** Reads what is there at the end and checks every promise, by itself and with the program's own audit. */
export async function judge(world: World, run: Unleashed & { ackWaitMs: number }): Promise<Judged> {
  const { tortured, admin } = world;
  const books = new Books(tortured.rules);
  const archive = openArchivedLog(admin, tortured.flow);
  const log: FlowLog = { connection: admin, flow: tortured.flow, archive };
  const seen = await addLog(books, log);
  const charges = await addLedger(books, world);
  for (const { letter } of await readDeadLetters(log)) books.addDeadLetter(letter.subject);
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
  return { findings, keys: run.acknowledged.size, charges, ...seen };
}

const anew = ({ storedAnew }: Unleashed): string[] =>
  storedAnew === 0 ? [] : [`${storedAnew} were acknowledged, and stored anew when they were sent again`];

async function addLog(books: Books, log: FlowLog) {
  const { flow } = log;
  const seen = { events: 0, redelivered: 0, mostAttempts: 1 };
  const add = ({ subject, payload, header }: StoredMessage) => {
    const event = eventIn(log, subject, payload);
    if (!event) return books.addUnreadable(subject);
    seen.events += 1;
    const attempt = decodeHop(header(hopHeader))?.attempt ?? 1;
    if (attempt > 1) seen.redelivered += 1;
    seen.mostAttempts = Math.max(seen.mostAttempts, attempt);
    books.addEvent(event.kind, flow.keyOf(event), flow.describe(event).outcome);
  };
  const { signal } = new AbortController();
  for await (const batch of readLog(log, { from: 1, signal })) batch.forEach(add);
  return seen;
}

function eventIn({ flow }: FlowLog, subject: string, payload: Uint8Array): FlowEvent | undefined {
  try {
    return flow.decode(subject, payload);
  } catch {
    return undefined;
  }
}

/** From the file itself: what the gateway would tell of it need not be the same. */
async function addLedger(books: Books, { ledger: path, tortured }: World): Promise<number> {
  let charges = 0;
  for await (const line of createInterface({ input: createReadStream(path) })) {
    const entry = decodeEntry(line);
    if (!entry) throw new Error(`${path}: this is no entry: ${line}`);
    if (entry.status === "declined") continue;
    if (entry.operation === "charge") charges += 1;
    books.addBooked(entry.operation, tortured.keyOf(entry));
  }
  return charges;
}

async function restored({ admin, tortured }: World, ackWaitMs: number): Promise<Finding> {
  const topology = hastyTopology(ackWaitMs, 1, tortured.flow);
  const drift = await readDrift(admin, topology);
  const checked = topology.streams.length + topology.consumers.length;
  return {
    promise: "streams and consumers are as they were",
    checked,
    broken: drift.map(({ kind, name, setting, actual }) => `${kind} ${name}: ${setting} is ${actual}`),
  };
}

/** With the segments of the archive read again. Nothing but the garbage may break a promise. */
async function audited({ broker, gatewayUrl, tortured }: World, poisoned: number): Promise<Finding> {
  const words = ["audit --all --grace 0s", tortured.auditWords(gatewayUrl)].filter(Boolean).join(" ");
  const { stdout, stderr } = await orderctl(`${words} --server ${broker.url} --json${tortured.words}`);
  const audit = stdout === "" ? undefined : JSON.parse(stdout).data;
  const violations = { ...audit?.violations, unreadable: audit?.violations.unreadable - poisoned };
  const broken = Object.entries(violations).filter(([, count]) => count !== 0);
  return {
    promise: `orderctl ${words.replace(/ http:\S+/, "")} finds no fault but the garbage`,
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
