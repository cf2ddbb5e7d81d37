import type { BenchPipelineOptions } from "./bench-pipeline.ts";
import { type BenchPart, type BenchReport, medianRows, ratioTarget } from "./bench-report.ts";
import { type Environment, machineOf, withEmptyBroker } from "./environment.ts";
import { measureStage } from "./measure.ts";
import { runRounds } from "./run-rounds.ts";
import { type Stage, type StageTask, stages } from "./task.ts";

/**
 * Measures what it costs to write a flow with `defineFlow`: two stages of the orders, each as it is built in and as a
 * user would define it, with the same messages.
 */
export const benchFlows = (environment: Environment, options: BenchPipelineOptions): Promise<BenchReport> =>
  withEmptyBroker(environment, async () => {
    const parts: BenchPart[] = [];
    for (const stage of stages) parts.push(await benchStage(environment, stage, options));
    return { machine: machineOf(environment), rounds: options.rounds, parts };
  });

async function benchStage(
  environment: Environment,
  stage: Stage,
  { rounds, count, concurrency, window, onRun }: BenchPipelineOptions,
): Promise<BenchPart> {
  const settings = { count, concurrency, window };
  const run = (flow: StageTask["flow"]) => () => measureStage(environment, { ...settings, flow, stage });
  const ways = { "built-in": run("built-in"), defined: run("defined") };
  const runs = await runRounds(ways, rounds, (way, round) => onRun(`${stage}, ${way}: round ${round}`));
  const promised = { name: "defined_to_built_in_per_second", bound: "at_least", limit: 0.8 } as const;
  const ratio = ratioTarget(promised, [runs.defined, runs["built-in"]], ({ perSecond }) => perSecond);
  return { part: stage, settings, rows: medianRows(runs), targets: [ratio] };
}
