import { expect, it } from "vitest";
import type { ProcessStatus } from "../../src/flow/process-status.ts";
import { withRates } from "../../src/top/top-sample.ts";

const statusOf = (startedAt: string, uptimeMs: number, processed: number): ProcessStatus => ({
  instance: "shop-0",
  version: "1.0.0",
  services: ["payment"],
  startedAt,
  uptimeMs,
  stopping: false,
  problems: [],
  breakers: [],
  workers: [{ consumer: "payment-processor", processed, failed: processed / 10, duplicates: 0, inFlight: 0 }],
  ordersUrl: null,
  metricsUrl: null,
  spansTo: null,
  archive: null,
});

it("tells what a process did since the sample before, by its own clock", () => {
  const rates = withRates(statusOf("noon", 12_000, 500), [statusOf("noon", 10_000, 100)]);
  expect(rates).toMatchObject({ instance: "shop-0", processedPerS: 200, failedPerS: 20 });
});

it("knows nothing yet of a process that came since, though another had its name", () => {
  const unknown = { processedPerS: null, failedPerS: null };
  expect(withRates(statusOf("one", 500, 20), [statusOf("noon", 10_000, 100)])).toMatchObject(unknown);
  expect(withRates(statusOf("one", 500, 20), [])).toMatchObject(unknown);
});

it("tells two processes of one name apart", () => {
  const before = [statusOf("noon", 10_000, 100), statusOf("one", 1000, 0)];
  expect(withRates(statusOf("one", 2000, 50), before)).toMatchObject({ processedPerS: 50 });
});
