import { headers } from "nats";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { announceProcess } from "../../src/flow/process-status.ts";
import { encodeHop, hopHeader } from "../../src/telemetry/hop.ts";
import type { TopSample } from "../../src/top/top-sample.ts";
import { setFaults } from "../orders/gateway/set-faults.ts";
import { startSimulator } from "../orders/gateway/test-simulator.ts";
import { archiveState, archiving } from "../support/archive-state.ts";
import { openLogWriter } from "../support/log-writer.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { runCommand } from "../support/run-command.ts";
import { serve, workers } from "../support/serving.ts";
import { startCommand } from "../support/start-command.ts";
import { startTestBroker, type TestBroker } from "../support/start-test-broker.ts";
import { until } from "../support/until.ts";

let broker: TestBroker;
beforeAll(async () => {
  broker = await startTestBroker();
});
afterAll(() => broker.stop());

/** Runs `orderctl top` until a sample is as it should be, and answers that one. */
async function topUntil(isWanted: (sample: TopSample) => boolean): Promise<TopSample> {
  const { stdout, stop } = startCommand(`top --interval 50ms --json --server ${broker.url}`);
  const samples = (): TopSample[] => {
    const lines = stdout().split("\n").slice(0, -1);
    return lines.map((line) => JSON.parse(line).data);
  };
  await until(() => samples().some(isWanted), 30_000);
  expect(await stop()).toMatchObject({ exitCode: 0, stderr: "" });
  return samples().find(isWanted) as TopSample;
}

const publish = (words: string, signal = new AbortController().signal) =>
  runCommand(`publish order ${words} --server ${broker.url}`, { signal });

describe("top", () => {
  it("exits 4 where there is no log, and says what would make one", async () => {
    const ran = await runCommand(`top --server ${broker.url}`);
    expect(ran).toMatchObject({ exitCode: 4, stdout: "" });
    expect(ran.stderr).toContain("orderctl up");
  });

  it("says nothing of how long orders took during which the broker's clock was set back", async () => {
    const connection = await openTestConnection(broker.url);
    const log = await openLogWriter(connection);
    const header = headers();
    const later = (Date.now() + 365 * 24 * 3_600_000) * 1000;
    const hop = { causeSequence: 1, service: "notification", instance: "one", attempt: 1, orderAtUs: later };
    const times = { receivedAtUs: later, startedAtUs: later, finishedAtUs: later };
    header.set(hopHeader, encodeHop({ ...hop, ...times }));
    await connection.nats.jetstream().publish("ORDERS.notifications.o-1", "", { headers: header });
    expect((await topUntil(() => true)).endedLately).toBeNull();
    log.close();
    await connection.close();
  });

  it("tells rates, latency, lag and processes, one sample after the other until it is stopped", async () => {
    const serving = serve(broker.url, `${workers} --instance one`);
    await until(() => serving.stdout() !== "");
    const stop = new AbortController();
    const publishing = publish("--count 100k --rate 300", stop.signal);
    const sample = await topUntil(
      ({ lag, processes, endedLately }) =>
        lag.consumers.some(({ consumer, inPerS }) => consumer === "payment-processor" && (inPerS ?? 0) > 0) &&
        processes.some(({ processedPerS }) => (processedPerS ?? 0) > 0) &&
        endedLately !== null,
    );
    expect(sample.processes).toMatchObject([{ instance: "one", failedPerS: 0 }]);
    expect(sample.lag.consumers).toHaveLength(7);
    expect(sample.deadLetters).toBe(0);
    const { p50Ms = 0, p99Ms = 0 } = sample.endedLately ?? {};
    expect(p50Ms).toBeGreaterThan(0);
    expect(p99Ms).toBeGreaterThanOrEqual(p50Ms);
    stop.abort();
    expect((await publishing).exitCode).toBe(130);
    await serving.stop();
  });

  it("tells what the log costs that nobody archives, and how fast that grows", async () => {
    const stop = new AbortController();
    const publishing = publish("--count 100k --rate 300", stop.signal);
    const isGrowing = ({ archive }: TopSample) => (archive?.cost.ramBytesPerS ?? 0) > 0;
    const { archive } = await topUntil(isGrowing);
    expect(archive?.archiver).toBeNull();
    stop.abort();
    await publishing;
  });

  it("tells how far the log is archived", async () => {
    const keeper = await openTestConnection(broker.url);
    announceProcess(keeper, () => archiving(archiveState));
    const { archive } = await topUntil((sample) => sample.archive?.archiver !== null);
    expect(archive).toMatchObject({ archiver: { instance: "keeper", segments: 25 }, problems: [] });
    await keeper.close();
  });

  /** Payment with a gateway that is away, from when it works until the end of the test. */
  async function serveFailing(breaker: string): Promise<void> {
    const { url } = await startSimulator();
    await setFaults(url, { outage: true });
    const hasty = `--gateway-backoff 1ms --gateway-attempts 1 ${breaker}`;
    const serving = serve(broker.url, `payment --gateway ${url} ${hasty} --instance till`);
    await until(() => serving.stdout() !== "");
    expect((await publish("--count 20")).exitCode).toBe(0);
  }

  it("shows who fails", async () => {
    await serveFailing("--breaker-failures 10000");
    const isFailing = ({ processes }: TopSample) => processes.some(({ failedPerS }) => (failedPerS ?? 0) > 0);
    expect((await topUntil(isFailing)).processes).toMatchObject([{ instance: "till" }]);
  });

  it("shows a breaker that is open", async () => {
    await serveFailing("--breaker-open 1m");
    const isOpen = ({ processes }: TopSample) =>
      processes.some(({ breakers }) => breakers[0]?.state === "open");
    const [till] = (await topUntil(isOpen)).processes;
    expect(till?.breakers).toMatchObject([{ name: "PaymentService", state: "open" }]);
  });
});
