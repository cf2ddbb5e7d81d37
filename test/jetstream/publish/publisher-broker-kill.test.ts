import { expect, it, onTestFinished } from "vitest";
import { Publisher } from "../../../src/jetstream/publish/publisher.ts";
import { brokerOfTest } from "../../support/broker-of-test.ts";
import { until } from "../../support/until.ts";
import { countStored, createLog, textTo } from "../streams/subject-log.ts";

it("stores each of 5,000 messages once although the broker is killed in the middle", async () => {
  const { broker, connection } = await brokerOfTest();
  await createLog(connection, "KILL");
  const publisher = new Publisher(connection);
  onTestFinished(() => publisher.close());
  const total = 5000;
  let settled = 0;
  const all = Array.from({ length: total }, async (_, index) => {
    const stored = await publisher.publish(textTo(`KILL.${index}`, `payload ${index}`));
    settled += 1;
    return stored;
  });
  await until(() => settled >= 1000);
  await broker.kill();
  expect(settled).toBeLessThan(total);
  await broker.restart();
  const outcomes = await Promise.all(all);
  expect(outcomes.filter(({ duplicate }) => duplicate)).toEqual([]);
  expect(new Set(outcomes.map(({ sequence }) => sequence)).size).toBe(total);
  // The subjects are 5,000 different ones and each holds one message at most.
  expect(await countStored(connection, "KILL")).toBe(total);
});
