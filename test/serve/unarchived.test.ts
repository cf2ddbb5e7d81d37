import { expect, it, onTestFinished } from "vitest";
import { announceProcess } from "../../src/flow/process-status.ts";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { watchUnarchived } from "../../src/serve/unarchived.ts";
import { archiveState, archiving } from "../support/archive-state.ts";
import { brokerOfTest } from "../support/broker-of-test.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { orderLog } from "../support/order-log.ts";
import { startTestBroker } from "../support/start-test-broker.ts";
import { until } from "../support/until.ts";

/** What is noted about a log while it grows. `looks` counts how often it was measured. */
async function watchLog(connection: Connection) {
  const { jsm, nats } = connection;
  await jsm.streams.add({ name: "ORDERS", subjects: ["ORDERS.>"] });
  let events = 0;
  const notes: string[] = [];
  let looks = 0;
  const info = jsm.streams.info.bind(jsm.streams);
  jsm.streams.info = (...args) => {
    looks += 1;
    return info(...args);
  };
  const pace = { afterMs: 10, everyMs: 10, fromEvents: 3 };
  const watching = watchUnarchived(orderLog(connection), (text) => notes.push(text), pace);
  onTestFinished(() => watching.stop());
  return {
    notes,
    looks: () => looks,
    stop: () => watching.stop(),
    async growTo(count: number) {
      while (events < count) await nats.jetstream().publish(`ORDERS.created.${++events}`);
      const before = looks;
      // One look may have begun before the last event was stored.
      await until(() => looks > before + 2);
    },
  };
}

it("notes once that nobody archives a log of many events, and again each time that it has doubled", async () => {
  const { connection } = await brokerOfTest();
  const { notes, growTo } = await watchLog(connection);
  await growTo(3);
  expect(notes).toEqual([]);
  await growTo(4);
  await until(() => notes.length > 0);
  expect(notes[0]).toMatch(/^nobody archives the log: 4 events, ~2\.1 kB .*: orderctl serve archive$/);
  await growTo(8);
  expect(notes).toHaveLength(1);
  await growTo(9);
  await until(() => notes.length > 1);
  expect(notes[1]).toMatch(/^nobody archives the log: 9 events, ~4\.7 kB/);
});

it("notes nothing of a log that another process archives", async () => {
  const { broker, connection } = await brokerOfTest();
  const keeper = await openTestConnection(broker.url);
  onTestFinished(() => keeper.close());
  let asked = 0;
  announceProcess(keeper, () => {
    asked += 1;
    return archiving(archiveState);
  });
  await keeper.nats.flush();
  const { notes, growTo } = await watchLog(connection);
  await growTo(5);
  await until(() => asked > 1);
  expect(notes).toEqual([]);
});

it("asks once where it may not ask, and notes nothing", async () => {
  const broker = await startTestBroker({
    extraConfig: `authorization: { users: [
      { user: payment, password: x, permissions: {
        publish: { deny: "orderctl.status" }, subscribe: { deny: "orderctl.answers.*" } } }
    ] }`,
  });
  onTestFinished(() => broker.stop());
  const lines: string[] = [];
  const user = { user: "payment", password: "x" };
  const connection = await openTestConnection(broker.url, user, (line) => lines.push(line));
  onTestFinished(() => connection.close());
  const refused: string[] = [];
  connection.onDenied((subject) => void refused.push(subject.replace(/[\w-]{36}/, "id")));
  const { notes, looks, growTo } = await watchLog(connection);
  await growTo(3);
  for (const count of [4, 5, 6]) await connection.nats.jetstream().publish(`ORDERS.created.${count}`);
  await until(() => refused.length > 1);
  const [last, refusedAt] = [looks(), performance.now()];
  await until(() => performance.now() - refusedAt > 100);
  expect(refused).toEqual(["orderctl.answers.id", "orderctl.status"]);
  expect({ notes, lines, looks: looks() }).toEqual({ notes: [], lines: [], looks: last });
});
