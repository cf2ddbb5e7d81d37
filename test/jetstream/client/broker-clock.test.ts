import { afterEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { readBrokerClock } from "../../../src/jetstream/client/broker-clock.ts";
import { servers } from "../../security/secured-broker.ts";
import { brokerOfTest } from "../../support/broker-of-test.ts";
import { openTestConnection } from "../../support/open-test-connection.ts";
import { startTestBroker } from "../../support/start-test-broker.ts";

/** For this process alone; the broker's clock stays as it is. */
function shiftOwnClock(byMs: number): () => number {
  const { now } = Date;
  vi.spyOn(Date, "now").mockImplementation(() => now() + byMs);
  return now;
}

afterEach(() => vi.restoreAllMocks());

const nextToNothingMs = 5000;

describe.each(servers)("the clock of nats-server $version", ({ path }) => {
  it.each([600_000, -600_000, 0])("is right where this machine's is %i ms ahead", async (shiftMs) => {
    const { connection } = await brokerOfTest(path);
    await connection.jsm.streams.add({ name: "LOG", subjects: ["LOG"] });
    const now = shiftOwnClock(shiftMs);
    const { difference, nowUs } = await readBrokerClock(connection, "LOG");
    expect(Math.abs(nowUs() / 1000 - now())).toBeLessThan(nextToNothingMs);
    expect(Math.abs((difference.aheadMs ?? Number.NaN) - shiftMs)).toBeLessThan(nextToNothingMs);
    expect(difference.errorMs).toBeGreaterThan(0);
    expect(difference.errorMs).toBeLessThan(nextToNothingMs);
  });

  it("is that of any server where there is no such stream", async () => {
    const { connection } = await brokerOfTest(path);
    shiftOwnClock(600_000);
    const { difference } = await readBrokerClock(connection, "NOPE");
    expect(Math.abs((difference.aheadMs ?? Number.NaN) - 600_000)).toBeLessThan(nextToNothingMs);
  });

  it("goes on by itself when this machine's clock is set meanwhile", async () => {
    const { connection } = await brokerOfTest(path);
    const clock = await readBrokerClock(connection, "NOPE");
    const now = shiftOwnClock(3_600_000);
    expect(Math.abs(clock.nowUs() / 1000 - now())).toBeLessThan(nextToNothingMs);
  });

  it("is unknown to who may not ask, and this machine's is taken", async () => {
    const broker = await startTestBroker({
      path,
      extraConfig: `authorization { users: [ { user: u, password: p, permissions: { publish: [ "orders" ] } } ] }`,
    });
    onTestFinished(() => broker.stop());
    const connection = await openTestConnection(broker.url, { user: "u", password: "p" });
    onTestFinished(() => connection.close());
    const now = shiftOwnClock(600_000);
    const { difference, nowUs } = await readBrokerClock(connection, "LOG");
    expect(difference).toEqual({ aheadMs: null, errorMs: null });
    expect(Math.abs(nowUs() / 1000 - now() - 600_000)).toBeLessThan(nextToNothingMs);
  });
});
