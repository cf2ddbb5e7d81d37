import { expect, test } from "vitest";
import type { BenchReport } from "../../../src/orders/bench/bench-report.ts";
import { medianRows, ratioTarget, target } from "../../../src/orders/bench/bench-report.ts";
import { benchReport } from "../../../src/orders/bench/report-view.ts";
import { figures } from "./sample-figures.ts";

const bare = [figures({ p99Ms: 10 }), figures({ p99Ms: 12 }), figures({ p99Ms: 11 })];
const orderctl = [figures({ p99Ms: 12 }), figures({ p99Ms: 18 }), figures({ p99Ms: 13.2 })];

const report = (slowest = 10_000): BenchReport => {
  const slow = orderctl.map((run) => ({ ...run, perSecond: slowest, brokerCpuUs: null }));
  const ratio = ratioTarget(
    { name: "orderctl_to_bare_p99", bound: "at_most", limit: 1.3 },
    [slow, bare],
    ({ p99Ms }) => p99Ms ?? Number.NaN,
  );
  const memory = target({ name: "orderctl_worker_memory", unit: "MB", bound: "at_most", limit: 90 }, [100]);
  return {
    machine: { node: "v24.0.0", natsServer: "2.15.1", cores: 2 },
    rounds: 3,
    parts: [
      {
        part: "rate",
        settings: { ratePerSecond: 10_000, seconds: 30 },
        rows: medianRows({ bare, orderctl: slow }),
        targets: [ratio, memory],
      },
    ],
  };
};

const plain = { colour: false, width: 100, unicode: true };

test("tells first whether the targets were met, then what was compared", () => {
  expect(benchReport("bench pipeline")(report(), plain)).toMatchInlineSnapshot(`
    "bench pipeline: 1 of 2 targets missed
    Node v24.0.0, nats-server 2.15.1, 2 cores; medians of 3 rounds

    10,000 orders/s for 30 s, from created to payment stored
    way           per second     p50      p99    p99.9  CPU each  broker each  memory
    bare client       10,000  2.5 ms  11.0 ms  30.0 ms   12.3 µs      20.0 µs  100 MB
    orderctl          10,000  2.5 ms  13.2 ms  30.0 ms   12.3 µs            -  100 MB
    ✓ met    1.20 of the bare client's p99 (target ≤ 1.30; rounds 1.20 to 1.50)
    ✗ missed 100 MB held by orderctl's worker at most (target ≤ 90 MB)"
  `);
});

test("says who fell behind the rate", () => {
  const lines = benchReport("bench pipeline")(report(6000), { ...plain, unicode: false }).split("\n");
  expect(lines).toContain("! orderctl fell behind: these latencies are a backlog's");
  expect(lines.at(-1)).toMatch(/^x missed 100 MB/);
});
