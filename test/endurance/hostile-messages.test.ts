import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import type { DeadLetter } from "../../src/dead-letters/dead-letters.ts";
import { firstMessage } from "../../src/flow/publish-event.ts";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { Publisher } from "../../src/jetstream/publish/publisher.ts";
import { orderFlow } from "../../src/orders/built-in-flow.ts";
import { generateOrders } from "../../src/orders/publish/open-order-source.ts";
import { brokerOfTest } from "../support/broker-of-test.ts";
import { isDrained } from "../support/read-log.ts";
import { servingOfTest } from "../support/serving-of-test.ts";
import { isLong, size } from "../support/size.ts";
import { orderctl } from "../support/supervised.ts";
import { until } from "../support/until.ts";
import { type Hostile, hostileMessage, oddHeaders, oddTimes } from "./hostile-messages.ts";

const rounds = 3;
const perRound = size({ short: 200, long: 3334 });
const count = rounds * perRound;

/** As many good orders as hostile messages, in turn; a good one may have odd headers and an odd time. */
async function publishRound(connection: Connection, round: number): Promise<Hostile[]> {
  const publisher = new Publisher(connection);
  const hostile: Hostile[] = [];
  const sent: Promise<unknown>[] = [];
  for await (const order of generateOrders(perRound, round + 1).orders) {
    const index = round * perRound + hostile.length;
    const message = hostileMessage(index);
    hostile.push(message);
    sent.push(publisher.publish(message));
    const createdAtUs = oddTimes[index % oddTimes.length] ?? null;
    const good = firstMessage(orderFlow, { ...order, createdAtUs }, { service: "publish", instance: "test" });
    const headers = { ...good.headers, ...oddHeaders[index % oddHeaders.length] };
    sent.push(publisher.publish({ ...good, headers }));
    await publisher.ready();
  }
  await Promise.all(sent);
  publisher.close();
  return hostile;
}

const run = promisify(execFile);

/** Of a process, in MiB. */
async function readMemory(pid: number): Promise<number> {
  const { stdout } = await run("ps", ["-o", "rss=", "-p", String(pid)]);
  return Math.round(Number(stdout) / 1024);
}

it(`ends ${count} good orders among as many hostile messages, each of which is a dead letter with its reason`, {
  timeout: size({ short: 120_000, long: 600_000 }),
}, async ({ annotate }) => {
  const { broker, connection } = await brokerOfTest();
  const where = `--server ${broker.url}`;
  const serving = await servingOfTest(`payment inventory shipping notification --json ${where}`);

  const hostile: Hostile[] = [];
  const memory: number[] = [];
  const startedAt = performance.now();
  for (let round = 0; round < rounds; round += 1) {
    hostile.push(...(await publishRound(connection, round)));
    await until(() => isDrained(connection), 200_000);
    memory.push(await readMemory(serving.pid));
  }
  const seconds = (performance.now() - startedAt) / 1000;

  const listed = await orderctl(`dlq list --json --limit ${10 * count} ${where}`);
  const letters: DeadLetter[] = listed.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line).data);
  const reasons = new Map(hostile.map(({ subject, reason }) => [subject, reason]));
  expect(new Set(letters.map(({ subject }) => subject))).toEqual(new Set(reasons.keys()));
  for (const { subject, reason, detail } of letters) {
    expect(reason).toBe("bad_message");
    expect(detail).toMatch(reasons.get(subject) ?? "");
  }
  const audit = await orderctl(`audit --grace 0s --json ${where}`);
  const { orders, ended, violations } = JSON.parse(audit.stdout).data;
  expect({ exitCode: audit.exitCode, orders, ended }).toEqual({ exitCode: 1, orders: count, ended: count });
  const { unreadable, ...others } = violations;
  expect(unreadable).toBe(count);
  expect(
    Object.values(others).every((violation) => violation === 0),
    audit.stdout,
  ).toBe(true);
  if (isLong) expect(memory.at(-1)).toBeLessThan(1.3 * (memory[0] ?? 0));
  expect(await serving.stop()).toMatchObject({ exitCode: 0 });
  await annotate(
    `${count} hostile among ${count} good in ${seconds.toFixed(1)} s: ${letters.length} dead letters, ${ended} ended; memory after each third: ${memory.join(", ")} MiB`,
  );
});
