import { type BenchPart, type BenchReport, medianRows, ratioTarget, target } from "./bench-report.ts";
import { type Environment, machineOf, withEmptyBroker } from "./environment.ts";
import { measureFlow } from "./measure.ts";
import { runRounds } from "./run-rounds.ts";
import type { Side } from "./task.ts";

export type BenchPipelineOptions = {
  rounds: number;
  /** Orders per second of the rate part, and for how long. */
  rate: number;
  seconds: number;
  /** Orders in each run of the capacity part. */
  count: number;
  /** `concurrency` and `window` of orderctl's services, as for `serve`. */
  concurrency: number;
  window: number;
  onRun: (text: string) => void;
};

/** Most orders in flight from the process that makes them, if no rate limits it. */
const feedWindow = 256;

/** Measures the latency of orders at a given rate, and how many orders per second all services can process at most. */
export const benchPipeline = (
  environment: Environment,
  options: BenchPipelineOptions,
): Promise<BenchReport> =>
  withEmptyBroker(environment, async () => {
    const parts = [await benchRate(environment, options), await benchCapacity(environment, options)];
    return { machine: machineOf(environment), rounds: options.rounds, parts };
  });

/** Measures from the creation of an order until its payment is stored: one stage, one worker process. */
async function benchRate(environment: Environment, options: BenchPipelineOptions): Promise<BenchPart> {
  const { rounds, rate, seconds, concurrency, window, onRun } = options;
  const flow = { stages: 1, count: rate * seconds, rate, concurrency, window, feedWindow } as const;
  const run = (side: Side) => () => measureFlow(environment, { side, ...flow });
  const ways = { bare: run("bare"), orderctl: run("orderctl") };
  const runs = await runRounds(ways, rounds, (side, round) => onRun(`rate, ${side}: round ${round}`));
  const { bare, orderctl } = runs;
  const targets = [
    ratioTarget(
      { name: "orderctl_to_bare_p99", bound: "at_most", limit: 1.3 },
      [orderctl, bare],
      ({ p99Ms }) => p99Ms ?? Number.NaN,
    ),
    target(
      { name: "orderctl_worker_memory", unit: "MB", bound: "at_most", limit: 200 },
      orderctl.map(({ maxRssMb }) => maxRssMb),
    ),
  ];
  const settings = { ratePerSecond: rate, seconds, concurrency, window };
  return { part: "rate", settings, rows: medianRows(runs), targets };
}

/** Measures all four stages in one process, from the first delivery until every order has ended. */
async function benchCapacity(environment: Environment, options: BenchPipelineOptions): Promise<BenchPart> {
  const { rounds, count, concurrency, window, onRun } = options;
  const flow = { stages: 4, count, rate: 0, concurrency, window, feedWindow } as const;
  const run = (side: Side) => () => measureFlow(environment, { side, ...flow });
  const ways = { bare: run("bare"), orderctl: run("orderctl") };
  const runs = await runRounds(ways, rounds, (side, round) => onRun(`capacity, ${side}: round ${round}`));
  const promised = { name: "orderctl_to_bare_per_second", bound: "at_least", limit: 0.7 } as const;
  const ratio = ratioTarget(promised, [runs.orderctl, runs.bare], ({ perSecond }) => perSecond);
  const settings = { count, feedWindow, concurrency, window };
  return { part: "capacity", settings, rows: medianRows(runs), targets: [ratio] };
}
