import { readFile } from "node:fs/promises";
import fc from "fast-check";
import { headers as createHeaders } from "nats";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { deadLetterHeader, redriveHeader } from "../../src/jetstream/dead-letters/dead-letter.ts";
import { eventKinds, type OrderEvent } from "../../src/orders/events.ts";
import { createRandom } from "../../src/orders/random.ts";
import { consumerTable, serviceNames } from "../../src/orders/services/registry.ts";
import { subjectOf } from "../../src/orders/subjects.ts";
import { encodeEvent } from "../../src/orders/wire/codec.ts";
import { hopHeader } from "../../src/telemetry/hop.ts";
import { approved, created, outOfStock, reserved } from "../support/handler-context.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { runCommand } from "../support/run-command.ts";
import { size } from "../support/size.ts";
import { startTestBroker, type TestBroker } from "../support/start-test-broker.ts";
import { type Launched, launch } from "../support/supervised.ts";
import { until } from "../support/until.ts";
import { hostileJson, hostileText } from "./hostile-values.ts";

/** Into each stream, bucket and subject that others can write to. */
const records = size({ short: 150, long: 100_000 });
const seed = 11;

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
        "a".repeat(3000),
      ]),
    () =>
      pick(texts)
        .replace(/[\p{Cc}\s.*>]/gu, "_")
        .slice(0, 300) || "_",
    () => randomBytes(16).toString("hex"),
  ])();

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

const places: Record<string, () => string> = {
  ORDERS: () => (oneIn(10) ? `ORDERS.${token()}` : `ORDERS.${pick(eventKinds)}.${token()}`),
  DEAD_LETTERS: () => `DEAD_LETTERS.${oneIn(4) ? token() : pick(serviceNames)}.${token()}`,
  REDRIVES: () => `REDRIVES.${oneIn(4) ? token() : pick(consumerTable).consumer}.${token()}.1`,
  TRACES: () => `TRACES.${token()}`,
  KV_INVENTORY: () => `$KV.INVENTORY.${oneIn(4) ? pick(["MUG", "TRAY"]) : token()}`,
  KV_SUSPECTS: () => `$KV.SUSPECTS.${token()}`,
  questions: () =>
    pick(["orderctl.status", "orderctl.collector", "orderctl.answers.x", `orderctl.collector.${token()}`]),
};

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

const peakMb = async (pid: number): Promise<number> =>
  Number(/VmHWM:\s+(\d+)/.exec(await readFile(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;

const readingCommands = [
  "status",
  "lag ORDERS",
  "lag DEAD_LETTERS",
  "trace o-1",
  `trace ${created.orderId}`,
  "audit --grace 1ms",
  "dlq list --redriven",
  "dlq show 1",
  "dlq redrive --all --dry-run",
  "inventory list",
  "topology diff",
  "replay ORDERS --out - --speed max",
  "replay ORDERS --dry-run",
];

// What moves the cursor, changes the window's title, hides or turns text round.
const unprintable = /(?!\n)[\p{C}\p{Zl}\p{Zp}]/u;

const counts = async () => {
  const streams = await connection.jsm.streams.list().next();
  return Object.fromEntries(streams.map(({ config, state }) => [config.name, state.messages]));
};

it(
  `nothing crashes, hangs or acts on a terminal with ${records} records of strangers in each place`,
  async ({ annotate }) => {
    // Whoever asks is answered with anything at all.
    connection.nats.subscribe("orderctl.>", {
      callback: (_, message) => void (message.reply && message.respond(pick(documents))),
    });
    for (const subject of Object.values(places)) await writeRecords(subject);
    // Dead letters of what cannot be worked on are still being written.
    let before = await counts();
    await until(async () => {
      const now = await counts();
      const isStill = now.DEAD_LETTERS === before.DEAD_LETTERS && now.ORDERS === before.ORDERS;
      before = now;
      return isStill;
    }, 300_000);
    for (const words of readingCommands) {
      for (const json of ["", " --json"]) {
        const signal = AbortSignal.timeout(120_000);
        const ran = await runCommand(`${words}${json} --server ${broker.url}`, { signal });
        const told = `${words}${json}: ${ran.stderr.slice(0, 500)}`;
        expect([0, 1, 3, 4, 5, 6, 7], told).toContain(ran.exitCode);
        expect(signal.aborted, told).toBe(false);
        expect(ran.stderr, told).not.toMatch(/"internal"|internal error|at .+:\d+:\d+/);
        expect(unprintable.exec(ran.stdout + ran.stderr)?.[0], told).toBeUndefined();
      }
    }
    const { KV_SUSPECTS: _, ...after } = await counts();
    expect(after).toMatchObject({ ORDERS: before.ORDERS, KV_INVENTORY: before.KV_INVENTORY });
    const published = await runCommand(`publish order --count 20 --seed 4 --wait --server ${broker.url}`);
    expect(published.exitCode, published.stderr).toBe(0);
    expect([services.isAlive(), collector.isAlive()], services.stderr()).toEqual([true, true]);
    const [serviceMb, collectorMb] = [await peakMb(services.pid), await peakMb(collector.pid)];
    await annotate(`memory at most: services ${serviceMb} MB, collector ${collectorMb} MB`);
    expect(Math.max(serviceMb, collectorMb)).toBeLessThan(700);
    expect((await services.stop()).exitCode).toBe(0);
  },
  size({ short: 120_000, long: 1_800_000 }),
);
