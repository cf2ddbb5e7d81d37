import { expect, it } from "vitest";
import { PullRequests } from "../../../src/jetstream/consume/pull.ts";
import { openTestConnection } from "../../support/open-test-connection.ts";
import { startTestBroker } from "../../support/start-test-broker.ts";
import { until } from "../../support/until.ts";
import { createQueue } from "../../support/work-queue.ts";

const silent = { expired: () => {}, refused: () => {}, silent: () => {} };

it("tells at once when a pull waited in vain: until the next one nothing would be delivered", async () => {
  const broker = await startTestBroker();
  const connection = await openTestConnection(broker.url);
  const queue = await createQueue(connection, "QUIET");
  let expired = 0;
  let outstandingThen: number | undefined;
  const place = { stream: "QUIET", consumer: "worker", inbox: connection.newInbox() };
  const pulls = new PullRequests(connection, place, {
    ...silent,
    message: () => {},
    expired: () => {
      expired += 1;
      outstandingThen = pulls.outstanding;
      if (expired === 1) pulls.ask(4);
    },
  });
  pulls.ask(8);
  await until(() => expired === 1);
  expect(outstandingThen).toBe(0);
  await until(async () => (await queue.waiting()) === 1);
  expect(pulls.outstanding).toBe(4);
  await pulls.close();
  await connection.close();
  await broker.stop();
});

// What the broker sends by turns used to be counted for the first pull: the others were waited for until given up.
it("knows when nothing is to come any more though several pulls were filled by turns", async () => {
  const broker = await startTestBroker();
  const connection = await openTestConnection(broker.url);
  await createQueue(connection, "TURNS");
  let received = 0;
  const place = { stream: "TURNS", consumer: "worker", inbox: connection.newInbox() };
  const pulls = new PullRequests(connection, place, {
    ...silent,
    message: () => {
      received += 1;
    },
  });
  pulls.ask(3);
  pulls.ask(1);
  for (let n = 0; n < 2; n += 1) await connection.nats.jetstream().publish(`TURNS.${n}`);
  await until(() => received === 2);
  expect(pulls.outstanding).toBe(2);
  await until(() => pulls.outstanding === 0);
  await pulls.close();
  await connection.close();
  await broker.stop();
});

// It used to throw, and with it the worker whose last deliveries ended then.
it("asks for nothing on a connection that is closed for good", async () => {
  const broker = await startTestBroker();
  const connection = await openTestConnection(broker.url);
  await createQueue(connection, "CLOSED");
  const place = { stream: "CLOSED", consumer: "worker", inbox: connection.newInbox() };
  const pulls = new PullRequests(connection, place, { ...silent, message: () => {} });
  await connection.close();
  pulls.ask(4);
  expect(pulls.outstanding).toBe(0);
  await broker.stop();
});

it("hands on no message with a reply subject that is not its consumer's: an acknowledgement would be written there", async () => {
  const broker = await startTestBroker();
  const connection = await openTestConnection(broker.url);
  await createQueue(connection, "OWN");
  const received: string[] = [];
  const place = { stream: "OWN", consumer: "worker", inbox: connection.newInbox() };
  const pulls = new PullRequests(connection, place, {
    ...silent,
    message: ({ reply = "" }) => void received.push(reply),
  });
  pulls.ask(4);
  const { nats } = connection;
  for (const reply of ["OWN.forged", "$JS.API.STREAM.PURGE.OWN", "$JS.ACK.OTHER.worker.1.1.1.1.0", undefined])
    nats.publish(`${place.inbox}.0.x`, "forged", reply === undefined ? {} : { reply });
  await nats.jetstream().publish("OWN.1");
  await until(() => received.length > 0);
  expect(received).toEqual([expect.stringMatching(/^\$JS\.ACK\.OWN\.worker\./)]);
  await pulls.close();
  await connection.close();
  await broker.stop();
});
