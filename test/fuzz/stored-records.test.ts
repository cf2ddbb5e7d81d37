import { readFile } from "node:fs/promises";
import { setTimeout as wait } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { headers as createHeaders } from "nats";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { deadLetterHeader, redriveHeader } from "../../src/jetstream/dead-letters/dead-letter.ts";
import { eventKinds, type OrderEvent } from "../../src/orders/events.ts";
import { orderShape } from "../../src/orders/flow.ts";
import { createRandom } from "../../src/orders/generator.ts";
import { subjectOf } from "../../src/orders/subjects.ts";
import { encodeEvent } from "../../src/orders/wire/codec.ts";
import { hopHeader } from "../../src/telemetry/hop.ts";
import { approved, created, outOfStock, reserved } from "../support/handler-context.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { runCommand } from "../support/run-command.ts";
import { size } from "../support/size.ts";
import { startTestBroker, type TestBroker } from "../support/start-test-broker.ts";
import { type Ended, type Launched, launch } from "../support/supervised.ts";
import { until } from "../support/until.ts";
import { hostileJson, hostileText } from "./hostile-values.ts";

/** Into each stream, bucket and subject that others can write to. */
const records = size({ short: 150, long: 100_000 });
const seed = 11;
const { services: serviceNames, subscriptions: consumerTable } = orderShape;

let broker: TestBroker;
let connection: Connection;
let services: Launched;
let collector: Launched;

beforeAll(async () => {
  broker = await startTestBroker();
  connection = await openTestConnection(broker.url, { timeoutMs: 30_000 });
  services = launch(`serve all --instance target --http-port 0 --json --server ${broker.url}`);
  collector = launch(`collect --port 0 --json --server ${broker.url}`);
  await until(() => services.stdout().includes("\n") && collector.stdout().includes("\n"), 30_000);
});

afterAll(async () => {
  await services.stop("SIGKILL");
  await collector.stop("SIGKILL");
  await connection.close();
  await broker.stop();
});

const sampled = <T>(values: fc.Arbitrary<T>) => fc.sample(values, { numRuns: 500, seed });
const texts = sampled(hostileText);
const documents = sampled(hostileJson).map((value) => JSON.stringify(value) ?? "null");

/** The same records in each run. */
const { nextFraction: random } = createRandom(seed);
const below = (n: number): number => Math.floor(random() * n);
const randomBytes = (length: number): Buffer => Buffer.from(Array.from({ length }, () => below(256)));
const pick = <T>(from: readonly T[]): T => from[below(from.length)] as T;
const oneIn = (n: number): boolean => random() < 1 / n;

/** The broker ends a connection whose line is longer than 4,096 bytes, and a subject may have two tokens. */
const longestToken = 1_000;

/** One token of a subject: the broker takes any bytes but blanks, dots and line breaks. */
const token = (): string =>
  pick([
    () => `o-${below(200)}`,
    () =>
      pick([
        "x=ZZ=FF",
        "=",
        "=20=",
        "__proto__",
        "constructor",
        "\u001b]0;x\u0007",
        "\u202eabc",
        "ü",
        "a".repeat(longestToken),
      ]),
    () =>
      pick(texts)
        .replace(/[\p{Cc}\s.*>]/gu, "_")
        .slice(0, longestToken / 4) || "_",
    () => randomBytes(16).toString("hex"),
  ])();

/** Most streams hold one message under a subject: nearly all of them stand under one of their own. */
let made = 0;
const ownToken = (): string => {
  made += 1;
  return oneIn(10) ? token() : `${token()}-${made}`;
};

const events: OrderEvent[] = [created, approved, reserved, outOfStock];

const mutated = (bytes: Uint8Array): Uint8Array => {
  const copy = Buffer.from(bytes);
  for (let n = 0; n < 3; n += 1) copy[below(copy.length)] = below(256);
  return oneIn(3) ? copy.subarray(0, below(copy.length)) : copy;
};

const payload = (): Uint8Array =>
  pick([
    () => new Uint8Array(),
    () => randomBytes(below(300)),
    () => Buffer.from(pick(documents)),
    () => encodeEvent(pick(events)),
    () => mutated(encodeEvent(pick(events))),
  ])();

/** A mark of ours with one part of somebody else's. */
function mark(): string {
  const event = pick(events);
  const origin = {
    stream: "ORDERS",
    subject: subjectOf(event.kind, event.orderId),
    sequence: 1,
    storedAtUs: 1,
  };
  const whole: Record<string, unknown> = {
    delivery: "1",
    reason: "timeout",
    detail: pick(texts),
    attempts: 1,
    origin,
    consumer: pick(consumerTable).consumer,
    service: pick(serviceNames),
    instance: pick(texts),
    atUs: 1,
    redriveOf: null,
    omittedBytes: null,
    deadLetter: 1,
    deadAtUs: 1,
    by: pick(texts),
  };
  whole[pick(Object.keys(whole))] = JSON.parse(pick(documents));
  return JSON.stringify(whole);
}

function headers() {
  const made = createHeaders();
  const names = [
    hopHeader,
    deadLetterHeader,
    redriveHeader,
    "traceparent",
    "tracestate",
    "constructor",
    "__proto__",
  ];
  for (const name of names) {
    if (oneIn(2)) continue;
    const value = pick([mark, () => pick(documents), () => pick(texts)])();
    made.set(name, value.replace(/[\r\n]/g, " "));
  }
  return made;
}

const traceId = "ab".repeat(16);

const places: Record<string, () => string> = {
  ORDERS: () => (oneIn(10) ? `ORDERS.${ownToken()}` : `ORDERS.${pick(eventKinds)}.${ownToken()}`),
  DEAD_LETTERS: () => `DEAD_LETTERS.${oneIn(4) ? token() : pick(serviceNames)}.${token()}`,
  REDRIVES: () => `REDRIVES.${oneIn(4) ? token() : pick(consumerTable).consumer}.${ownToken()}.1`,
  TRACES: () => `TRACES.${oneIn(4) ? traceId : token()}`,
  KV_INVENTORY: () => `$KV.INVENTORY.${oneIn(4) ? pick(["MUG", "TRAY"]) : ownToken()}`,
  KV_SUSPECTS: () => `$KV.SUSPECTS.${ownToken()}`,
  questions: () =>
    pick([
      ...["orderctl.status", "orderctl.collector", "orderctl.answers.x", `orderctl.collector.${token()}`],
      ...["$SRV.PING", "$SRV.INFO.payment", "$SRV.STATS", `$SRV.STATS.payment.${token()}`],
    ]),
};

/** Events as they should be, some of them out of their order. Strangers write about the orders `o-…` as well. */
async function writeOrders(): Promise<void> {
  const write = (event: OrderEvent) =>
    connection.nats.publish(subjectOf(event.kind, event.orderId), encodeEvent(event));
  for (const orderId of [created.orderId, "real-1"])
    for (const event of [created, approved, reserved]) write({ ...event, orderId });
  for (let n = 0; n < size({ short: 15, long: 1_000 }); n += 1)
    write({ ...pick(events), orderId: `real-${below(50)}` });
  await connection.nats.flush();
}

async function writeRecords(subject: () => string): Promise<void> {
  for (let n = 0; n < records; n += 1) {
    connection.nats.publish(subject(), payload(), {
      headers: headers(),
      reply: oneIn(2) ? `_INBOX.x.${n}` : "",
    });
    if (n % 500 === 499) await connection.nats.flush();
  }
  await connection.nats.flush();
}

const megabytes = (mb: number): string => `${Math.round(mb)} MB`;
const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

const peakMb = async (pid: number): Promise<number> =>
  Number(/VmHWM:\s+(\d+)/.exec(await readFile(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;

/** Those that end by themselves; each with `--json` as well. */
const readingCommands = [
  "status",
  "lag ORDERS",
  "lag DEAD_LETTERS",
  "trace o-1",
  `trace ${subjectOf("payments", created.orderId)}`,
  "trace real-1",
  "trace real-1 --all --errors",
  "trace real-1 --critical",
  `trace ${traceId}`,
  "audit --grace 1ms",
  "dlq list",
  "dlq list --order o-1 --redriven",
  "dlq list --service payment --reason timeout",
  "dlq list --since 1h",
  "dlq show 1",
  "dlq show o-1",
  "dlq remove-event 1 --force --dry-run",
  "inventory list",
  "inventory list MUG TRAY",
  "topology diff",
  "replay ORDERS --out - --speed max",
  "replay ORDERS --dry-run",
  "replay ORDERS --order o-1 --out -",
  "replay ORDERS --since 1h --dry-run",
  "replay DEAD_LETTERS --out -",
  "replay KV_INVENTORY --dry-run",
  "replay ORDERS --service payment",
  "replay ORDERS --service shipping",
  "replay ORDERS --service notification",
];
/** Those that take no `--json`. */
const onceEach = ["trace real-1 --otlp", `trace ${traceId} --otlp`];
/** These choose among all dead letters, and hold them. */
const tellingAll = [
  "dlq purge --all --redriven --dry-run",
  "dlq redrive --all --dry-run",
  "dlq list --redriven --limit 100000000",
  "dlq purge --all --redriven --dry-run --json",
  "dlq redrive --all --again --dry-run --json",
];
/** Those that go on until they are stopped. */
const watchingCommands = [
  "top --interval 200ms",
  "lag ORDERS --watch --interval 200ms",
  "trace real-1 --follow",
];
const watchMs = 1_500;

const inBothWays = (words: string): string[] => [words, `${words} --json`];
const lines = {
  ending: [...readingCommands.flatMap(inBothWays), ...onceEach, ...tellingAll],
  watching: watchingCommands.flatMap(inBothWays),
};

/** What a line may take until it counts as hanging. */
const limitMs = size({ short: 60_000, long: 600_000 });
/** What a process may hold. */
const mostMb = 700;
const mostTellingMb = size({ short: mostMb, long: 3_000 });

// What moves the cursor, changes the window's title, hides or turns text round.
const unprintable = /(?!\n)[\p{C}\p{Zl}\p{Zp}]/u;

const counts = async () => {
  const streams = await connection.jsm.streams.list().next();
  return Object.fromEntries(streams.map(({ config, state }) => [config.name, state.messages]));
};

/** Dead letters of what cannot be worked on are written until every consumer is through. */
async function untilQuiet(): Promise<Record<string, number>> {
  const toGo = async (stream: string) => {
    const consumers = await connection.jsm.consumers.list(stream).next();
    return consumers.map(({ num_pending, num_ack_pending }) => num_pending + num_ack_pending);
  };
  const isThrough = async () =>
    [...(await toGo("ORDERS")), ...(await toGo("REDRIVES"))].every((messages) => messages === 0);
  let before = await counts();
  await until(
    async () => {
      await wait(500);
      if (!(await isThrough())) return false;
      before = await counts();
      // Longer than the second for which a process collects its spans before it sends them.
      await wait(2500);
      return isDeepStrictEqual(await counts(), before);
    },
    size({ short: 60_000, long: 900_000 }),
  );
  return before;
}

type Measured = { line: string; ms: number; peakMb: number; faults: string[] };

/** In a process of its own: one that hangs is ended, and what it held is known. */
async function runMeasured(line: string, stopAfterMs?: number): Promise<Measured> {
  const startedAt = performance.now();
  const ran = launch(`${line} --server ${broker.url}`, {
    LANG: "en_US.UTF-8",
    NO_COLOR: "1",
    HOME: "/nonexistent",
  });
  let peak = 0;
  const measure = async () => {
    // Nothing is told of one that has just ended.
    peak = Math.max(peak, (await peakMb(ran.pid).catch(() => 0)) || 0);
  };
  const measuring = setInterval(() => void measure(), 20);
  const hanging = setTimeout(() => void ran.stop("SIGKILL"), limitMs);
  if (stopAfterMs !== undefined) {
    await until(() => ran.stdout() !== "" || !ran.isAlive(), limitMs);
    await wait(stopAfterMs);
  }
  const ended = await (stopAfterMs === undefined ? ran.ended : ran.stop("SIGINT"));
  clearInterval(measuring);
  clearTimeout(hanging);
  const ms = performance.now() - startedAt;
  const faults = faultsOf(ended, peak, tellingAll.includes(line) ? mostTellingMb : mostMb);
  return { line, ms, peakMb: peak, faults: faults.map((fault) => `${line}: ${fault}`) };
}

/** What a command must not do, whatever it reads. */
function faultsOf({ exitCode, stdout, stderr }: Ended, heldMb: number, limitMb: number): string[] {
  const acting = unprintable.exec(stdout)?.[0] ?? unprintable.exec(stderr)?.[0];
  const said = stderr.slice(0, 500);
  const faults = {
    [`ends with ${exitCode}: ${said}`]: ![0, 1, 3, 4, 5, 6, 7].includes(exitCode ?? -1),
    [`has an error of its own: ${said}`]: /"internal"|internal error|at .+:\d+:\d+/.test(stderr),
    [`writes ${JSON.stringify(acting)}`]: acting !== undefined,
    [`holds ${megabytes(heldMb)}`]: heldMb >= limitMb,
  };
  return Object.keys(faults).filter((fault) => faults[fault]);
}

const mostOf = (runs: readonly Measured[], figure: "ms" | "peakMb"): string => {
  const most = runs.toSorted((a, b) => b[figure] - a[figure])[0];
  return most ? `${most.line}: ${seconds(most.ms)}, ${megabytes(most.peakMb)}` : "none";
};

it(
  `nothing crashes, hangs or acts on a terminal with ${records} records of strangers in each place`,
  async ({ annotate }) => {
    // Whoever asks is answered with anything at all.
    connection.nats.subscribe("orderctl.>", {
      callback: (_, message) => void (message.reply && message.respond(pick(documents))),
    });
    const startedAt = performance.now();
    await writeOrders();
    // Later the stock they are made of may stand under a stranger's entry, which a service waits for to be mended.
    await untilQuiet();
    for (const subject of Object.values(places)) await writeRecords(subject);
    const writtenAt = performance.now();
    const { KV_SUSPECTS: _, ...before } = await untilQuiet();
    const workedMs = performance.now() - writtenAt;
    await annotate(`written in ${seconds(writtenAt - startedAt)}, worked on for ${seconds(workedMs)} more`);
    await annotate(`messages: ${JSON.stringify(before)}`);
    const runs: Measured[] = [];
    for (const line of lines.ending) runs.push(await runMeasured(line));
    for (const line of lines.watching) runs.push(await runMeasured(line, watchMs));
    const modest = runs.filter(({ line }) => !tellingAll.includes(line));
    await annotate(`slowest: ${mostOf(runs, "ms")}`);
    await annotate(`largest: ${mostOf(runs, "peakMb")}; of the others ${mostOf(modest, "peakMb")}`);
    expect(runs.flatMap(({ faults }) => faults)).toEqual([]);
    expect(await counts()).toMatchObject(before);
    const published = await runCommand(`publish order --count 20 --seed 4 --wait --server ${broker.url}`);
    expect(published.exitCode, published.stderr).toBe(0);
    expect([services.isAlive(), collector.isAlive()], services.stderr()).toEqual([true, true]);
    const [serviceMb, collectorMb] = [await peakMb(services.pid), await peakMb(collector.pid)];
    await annotate(`memory at most: services ${megabytes(serviceMb)}, collector ${megabytes(collectorMb)}`);
    expect(Math.max(serviceMb, collectorMb)).toBeLessThan(mostMb);
    expect((await services.stop()).exitCode).toBe(0);
  },
  size({ short: 300_000, long: 3_600_000 }),
);
