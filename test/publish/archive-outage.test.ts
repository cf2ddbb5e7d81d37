import { expect, it } from "vitest";
import { readLastSequence } from "../../src/jetstream/streams/read-message.ts";
import { brokerOfTest } from "../support/broker-of-test.ts";
import { openLogWriter } from "../support/log-writer.ts";
import { startCommand } from "../support/start-command.ts";
import { until } from "../support/until.ts";

/** For longer than what is known of the archive stays true. */
const outageMs = 6000;

// It used to end as if the archive could not be read.
it("holds the orders of `publish` through an outage after which the archive has to be asked anew", async () => {
  const { broker, connection } = await brokerOfTest();
  (await openLogWriter(connection)).close();
  const words = `publish order --count 300 --rate 30 --reconnect-wait 50ms --server ${broker.url}`;
  const publishing = startCommand(words);
  await until(async () => (await readLastSequence(connection, "ORDERS")) > 10);
  await broker.kill();
  const killedAt = performance.now();
  await until(() => performance.now() - killedAt > outageMs);
  await broker.restart();
  await until(() => publishing.stdout() !== "");
  const ran = await publishing.stop();
  expect(ran).toMatchObject({ exitCode: 0, stderr: expect.not.stringContaining("error") });
  expect(ran.stdout).toMatch(/^300 orders stored/);
});
