import type { BenchPipelineOptions } from "./bench-pipeline.ts";
import {
  type BenchPart,
  type BenchReport,
  medianRows,
  type Rounds,
  ratioTarget,
  target,
} from "./bench-report.ts";
import { type Environment, machineOf, withEmptyBroker } from "./environment.ts";
import type { Figures } from "./figures.ts";
import { measureFlow } from "./measure.ts";
import { runRounds } from "./run-rounds.ts";
import { type Manner, openSpanSink, type SpanSink } from "./span-sink.ts";

const feedWindow = 256;
const tracesPerSecond = 100;
/** Limits of the part in which every order is traced and no span may be lost; the user may ask for a lower rate. */
const everything = { maxRate: 1000, tracesPerSecond: 1e6 };
/** One for the publish, three for each of four deliveries, and one for the gateway call. */
const spansPerOrder = 14;

type Way = "untraced" | "traced" | "slow" | "refusing" | "dying";

/** Measures what tracing costs, what a bad collector costs, and whether spans are lost if every order is traced. */
export const benchTracing = (environment: Environment, options: BenchPipelineOptions): Promise<BenchReport> =>
  withEmptyBroker(environment, async () => {
    const parts = [await benchCost(environment, options), await benchEverything(environment, options)];
    return { machine: machineOf(environment), rounds: options.rounds, parts };
  });

async function benchCost(environment: Environment, options: BenchPipelineOptions): Promise<BenchPart> {
  const { rounds, count, concurrency, window, onRun } = options;
  const flow = { side: "orderctl", stages: 4, count, rate: 0, concurrency, window, feedWindow } as const;
  const tracedTo = (manner: Manner) => () =>
    withSink(manner, ({ url: collector }) =>
      measureFlow(environment, { ...flow, spansTo: { collector, tracesPerSecond } }),
    );
  const ways: Record<Way, () => Promise<Figures>> = {
    untraced: () => measureFlow(environment, flow),
    traced: tracedTo("sound"),
    slow: tracedTo("slow"),
    refusing: tracedTo("refusing"),
    dying: tracedTo("dying"),
  };
  const runs = await runRounds(ways, rounds, (way, round) => onRun(`tracing, ${way}: round ${round}`));
  const cost = ratioTarget(
    { name: "traced_to_untraced_per_second", bound: "at_least", limit: 0.9 },
    [runs.traced, runs.untraced],
    ({ perSecond }) => perSecond,
  );
  const bad = (["slow", "refusing", "dying"] as const).flatMap((way) => badCollector(way, runs));
  const settings = { count, tracesPerSecond, concurrency, window };
  return { part: "tracing", settings, rows: medianRows(runs), targets: [cost, ...bad] };
}

const badCollector = (way: Way, runs: Rounds<Way>) => [
  ratioTarget(
    { name: `${way}_to_traced_per_second`, bound: "at_least", limit: 0.9 },
    [runs[way], runs.traced],
    ({ perSecond }) => perSecond,
  ),
  ratioTarget(
    { name: `${way}_to_traced_memory`, bound: "at_most", limit: 1.1 },
    [runs[way], runs.traced],
    ({ maxRssMb }) => maxRssMb,
  ),
];

async function benchEverything(environment: Environment, options: BenchPipelineOptions): Promise<BenchPart> {
  const { rounds, seconds, concurrency, window, onRun } = options;
  const rate = Math.min(options.rate, everything.maxRate);
  const count = rate * seconds;
  const flow = { side: "orderctl", stages: 4, count, rate, concurrency, window } as const;
  const lost: number[] = [];
  const run = () =>
    withSink("sound", async ({ url: collector, spanIds }) => {
      const spansTo = { collector, tracesPerSecond: everything.tracesPerSecond };
      const figures = await measureFlow(environment, { ...flow, feedWindow: count, spansTo });
      lost.push(count * spansPerOrder - spanIds.size);
      return figures;
    });
  const runs = await runRounds({ everything: run }, rounds, (_, round) =>
    onRun(`every order: round ${round}`),
  );
  const none = target({ name: "spans_lost", unit: "spans", bound: "at_most", limit: 0 }, lost);
  const settings = { ratePerSecond: rate, seconds, concurrency, window };
  return { part: "everything", settings, rows: medianRows(runs), targets: [none] };
}

async function withSink<T>(manner: Manner, work: (sink: SpanSink) => Promise<T>): Promise<T> {
  const sink = await openSpanSink(manner);
  try {
    return await work(sink);
  } finally {
    sink.close();
  }
}
