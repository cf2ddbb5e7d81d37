import { expect, it, onTestFinished } from "vitest";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { readLastSequence } from "../../src/jetstream/streams/read-message.ts";
import { brokerOfTest } from "../support/broker-of-test.ts";
import { eventsOf, isDrained, type Logged, readBacklog, readLog } from "../support/read-log.ts";
import { size } from "../support/size.ts";
import { type Launched, launch, orderctl } from "../support/supervised.ts";
import { until } from "../support/until.ts";

const stops = size({ short: 3, long: 20 });
/** Published before each stop as fast as it goes, which is faster than the workers are. */
const ordersEach = size({ short: 2500, long: 10_000 });
/** So much of it is stored when the signal comes: the workers are at their full speed. */
const eventsBefore = ordersEach;
const orders = stops * ordersEach;
const deadlineMs = 15_000;

/** Deliveries beyond one for each message, of all consumers; all that is stored has to be delivered. */
async function countRedeliveries({ jsm }: Connection, log: readonly Logged[]): Promise<number> {
  let more = 0;
  for await (const { delivered, config } of jsm.consumers.list("ORDERS")) {
    const kind = config.filter_subject?.split(".")[1];
    more += delivered.consumer_seq - log.filter(({ event }) => event.kind === kind).length;
  }
  return more;
}

/** Deliveries to come and under way. */
const readWork = async (connection: Connection): Promise<number> =>
  Object.values(await readBacklog(connection))
    .flat()
    .reduce((sum, each) => sum + each, 0);

it(`ends ${stops} times at SIGTERM under full load: exit 0 within 15 s, and nothing is delivered again`, {
  timeout: size({ short: 120_000, long: 600_000 }),
}, async ({ annotate }) => {
  const { broker, connection } = await brokerOfTest();
  const where = `--server ${broker.url}`;
  expect(await orderctl(`topology apply ${where}`)).toMatchObject({ exitCode: 0 });
  const start = (): Launched => {
    const worker = launch(`serve payment inventory shipping notification --decline-share 5% ${where}`);
    onTestFinished(() => worker.stop("SIGKILL").then(() => undefined));
    return worker;
  };
  const running = [start(), start()];

  const stoppedInMs: number[] = [];
  for (let stop = 0; stop < stops; stop += 1) {
    const doomed = running.shift();
    if (!doomed) throw new Error("nobody is running");
    await until(() => doomed.stdout().startsWith("serving"), 30_000);
    const from = await readLastSequence(connection, "ORDERS");
    const publishing = orderctl(`publish order --count ${ordersEach} --seed ${stop} ${where}`);
    const isUnderWay = async () => (await readLastSequence(connection, "ORDERS")) > from + eventsBefore;
    await until(async () => (await isUnderWay()) && (await readWork(connection)) > 100, 60_000);
    running.push(start());
    const startedAt = performance.now();
    const ended = await doomed.stop();
    stoppedInMs.push(performance.now() - startedAt);
    expect(ended, ended.stderr).toMatchObject({ exitCode: 0 });
    expect(await publishing).toMatchObject({ exitCode: 0 });
  }
  expect(Math.max(...stoppedInMs)).toBeLessThan(deadlineMs);
  await until(() => isDrained(connection), 120_000);
  const log = await readLog(connection);
  expect(eventsOf(log, "notifications")).toHaveLength(orders);
  expect(await countRedeliveries(connection, log)).toBe(0);
  expect(await orderctl(`audit --grace 0s ${where}`)).toMatchObject({ exitCode: 0 });
  const sorted = stoppedInMs.map(Math.round).sort((a, b) => a - b);
  await annotate(
    `${stops} stops among ${log.length} events of ${orders} orders: each exit 0, ${sorted[0]} to ${sorted.at(-1)} ms (median ${sorted[stops >> 1]}); redelivered 0`,
  );
});
