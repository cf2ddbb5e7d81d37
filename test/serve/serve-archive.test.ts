import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { LogArchive } from "../../src/flow/log-archive.ts";
import { readProcesses } from "../../src/flow/process-status.ts";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { runCommand } from "../support/run-command.ts";
import { serve } from "../support/serving.ts";
import { startTestBroker, type TestBroker } from "../support/start-test-broker.ts";
import { until } from "../support/until.ts";
import { parseSamples } from "../telemetry/metrics/metric-world.ts";

let broker: TestBroker;
let connection: Connection;
let store: string;

beforeAll(async () => {
  broker = await startTestBroker();
  connection = await openTestConnection(broker.url);
  store = await mkdtemp(join(tmpdir(), "orderctl-archive-"));
});

afterAll(async () => {
  await connection.close();
  await broker.stop();
  await rm(store, { recursive: true, force: true });
});

const readArchive = async (): Promise<LogArchive> => {
  const [line] = (await runCommand(`status --json --server ${broker.url}`)).lines();
  return line?.data.archive as LogArchive;
};

it("tells everybody how far it has archived the log, and where", async () => {
  const ports = "--http-port 0 --metrics-port 0 --json";
  const serving = serve(broker.url, `all --archive ${store} --keep 1s --segment-events 100 ${ports}`);
  await until(() => serving.stdout().includes("\n"));
  const { archive, metricsUrl } = JSON.parse(serving.stdout()).data;
  expect(archive).toBe(pathToFileURL(store).href);
  expect((await runCommand(`publish order --count 50 --wait --server ${broker.url}`)).exitCode).toBe(0);

  await until(async () => ((await readProcesses(connection))[0]?.archive?.segments ?? 0) >= 2, 20_000);
  const { archiver, problems } = await readArchive();
  expect(archiver).toMatchObject({ stream: "ORDERS", store: archive, heldBack: null });
  const { movedTo, segments, bytes } = archiver ?? {};
  expect(movedTo).toBe((segments ?? 0) * 100);
  expect(bytes).toBeGreaterThan(1000);
  expect(problems).toEqual([]);

  const samples = parseSamples(await (await fetch(`${metricsUrl}/metrics`)).text());
  expect(samples.get('orderctl_archive_moved_to{stream="ORDERS"}')).toBe(movedTo);
  expect(samples.get('orderctl_archive_bytes{stream="ORDERS"}')).toBe(bytes);
  expect(samples.get('orderctl_archive_problems{stream="ORDERS"}')).toBe(0);
  await serving.stop();
  expect((await readArchive()).archiver).toBeNull();
});
