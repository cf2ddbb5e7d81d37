import { expect, it } from "vitest";
import { PullRequests } from "../../src/jetstream/pull.ts";
import { startTestBroker } from "../broker/start-test-broker.ts";
import { until } from "../until.ts";
import { openTestConnection } from "./open-test-connection.ts";
import { createQueue } from "./work-queue.ts";

it("tells at once when a pull waited in vain: until the next one nothing would be delivered", async () => {
  const broker = await startTestBroker();
  const connection = await openTestConnection(broker.url);
  const queue = await createQueue(connection, "QUIET");
  let expired = 0;
  let outstandingThen: number | undefined;
  const place = { stream: "QUIET", consumer: "worker", inbox: connection.newInbox() };
  const pulls = new PullRequests(connection, place, {
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
