import { setTimeout as wait } from "node:timers/promises";
import { expect, it, onTestFinished } from "vitest";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { applyTopology } from "../../src/jetstream/streams/apply-topology.ts";
import { hastyTopology } from "../flow/hasty-topology.ts";
import { brokerOfTest } from "../support/broker-of-test.ts";
import { eventsOf, isDrained, readLog } from "../support/read-log.ts";
import { servingOfTest } from "../support/serving-of-test.ts";
import { size } from "../support/size.ts";
import { orderctl } from "../support/supervised.ts";
import { until } from "../support/until.ts";

const outageS = size({ short: 2, long: 30 });
const rate = 1000;
const published = rate * (outageS + size({ short: 3, long: 8 }));
/** Acknowledgements that the broker took along come again after so long. */
const ackWaitMs = size({ short: 3000, long: 30_000 });
const callers = 8;

/** Callers of the order API, each placing one order after the other, and the same again where it was not taken. */
function callAll(url: string) {
  let calling = true;
  const told = { acknowledged: new Set<string>(), refused: 0 };
  const place = async (orderId: string): Promise<void> => {
    const body = JSON.stringify({ order_id: orderId, total_amount: "9.99" });
    const headers = { "content-type": "application/json" };
    while (calling) {
      const { status } = await fetch(`${url}/orders`, { method: "POST", headers, body });
      if (status < 300) return void told.acknowledged.add(orderId);
      expect(status).toBe(503);
      told.refused += 1;
      await wait(20);
    }
  };
  const caller = async (name: number) => {
    for (let number = 0; calling; number += 1) await place(`caller-${name}-${number}`);
  };
  const all = Promise.all(Array.from({ length: callers }, (_, name) => caller(name)));
  return {
    told,
    async stop() {
      calling = false;
      await all;
    },
  };
}

const countPublished = async ({ jsm }: Connection): Promise<number> => {
  const { state } = await jsm.streams.info("ORDERS", { subjects_filter: "ORDERS.created.*" });
  return Object.keys(state.subjects ?? {}).filter((subject) => !subject.includes("caller-")).length;
};

it(`keeps every order that it acknowledged, and goes on by itself, when the broker is killed for ${outageS} s`, {
  timeout: size({ short: 120_000, long: 400_000 }),
}, async ({ annotate }) => {
  const { broker, connection } = await brokerOfTest();
  await applyTopology(connection, hastyTopology(ackWaitMs));
  const where = `--server ${broker.url}`;
  const services = "order payment inventory shipping notification --http-port 0 --json";
  const serving = await servingOfTest(`${services} ${where}`);

  const api = callAll(JSON.parse(serving.stdout()).data.url);
  onTestFinished(() => api.stop());
  const publishing = orderctl(`publish order --count ${published} --rate ${rate} --json ${where}`);
  // The callers alone would do it before the other process has begun.
  await until(async () => (await countPublished(connection)) > rate, 30_000);
  await broker.kill();
  // Each call is held for 10 s before it is answered.
  await until(() => api.told.refused >= callers, 20_000);
  const before = api.told.acknowledged.size;
  await wait(outageS * 1000);
  expect(api.told.acknowledged.size).toBe(before);
  const restartedAt = performance.now();
  await broker.restart();
  await until(() => api.told.acknowledged.size > before, 30_000);
  const resumedS = (performance.now() - restartedAt) / 1000;

  const report = await publishing;
  expect(report).toMatchObject({ exitCode: 0 });
  expect(JSON.parse(report.stdout).data).toMatchObject({ stored: published });
  await api.stop();
  await until(() => isDrained(connection), 120_000);
  const log = await readLog(connection);
  const created = new Set(eventsOf(log, "created").map(({ orderId }) => orderId));
  expect([...api.told.acknowledged].filter((orderId) => !created.has(orderId))).toEqual([]);
  expect([...created].filter((orderId) => !orderId.startsWith("caller-"))).toHaveLength(published);
  expect(await orderctl(`dlq list --json ${where}`)).toMatchObject({ exitCode: 0, stdout: "" });
  expect(await orderctl(`audit --grace 0s ${where}`)).toMatchObject({ exitCode: 0 });
  expect(await serving.stop()).toMatchObject({ exitCode: 0 });
  const { acknowledged, refused } = api.told;
  await annotate(
    `${published} published and ${acknowledged.size} acknowledged to callers, all in the log; ${refused} calls answered with 503; callers served again ${resumedS.toFixed(1)} s after the restart`,
  );
});
