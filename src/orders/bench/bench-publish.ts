import { bodyBytes } from "./bare-client.ts";
import { type BenchReport, medianRows, ratioTarget } from "./bench-report.ts";
import { type Environment, machineOf, withEmptyBroker } from "./environment.ts";
import { measurePublish } from "./measure.ts";
import { runRounds } from "./run-rounds.ts";
import type { PublishWay } from "./task.ts";

export type BenchPublishOptions = {
  rounds: number;
  /** Events stored in each run. */
  messages: number;
  onRun: (text: string) => void;
};

/** Most publishes in flight, in every way of publishing: the default of `publish order`. */
const window = 256;

/**
 * Measures how fast events can be stored: by the client's own publish, by the bare client with publishes pipelined, and
 * by orderctl.
 */
export async function benchPublish(
  environment: Environment,
  options: BenchPublishOptions,
): Promise<BenchReport> {
  const { rounds, messages: count, onRun } = options;
  const run = (way: PublishWay) => () => measurePublish(environment, { way, count, window });
  const ways = {
    client: run("client"),
    pipelined: run("pipelined"),
    publisher: run("publisher"),
    "publish-order": run("publish-order"),
  } satisfies Record<PublishWay, unknown>;
  return withEmptyBroker(environment, async () => {
    const runs = await runRounds(ways, rounds, (way, round) => onRun(`publish, ${way}: round ${round}`));
    const { client, pipelined, publisher } = runs;
    const perSecond = (figures: { perSecond: number }) => figures.perSecond;
    const targets = [
      ratioTarget(
        { name: "publisher_to_pipelined_per_second", bound: "at_least", limit: 0.9 },
        [publisher, pipelined],
        perSecond,
      ),
      ratioTarget(
        { name: "publisher_to_client_per_second", bound: "at_least", limit: 4 },
        [publisher, client],
        perSecond,
      ),
    ];
    const settings = { count, window, bodyBytes };
    const part = { part: "publish", settings, rows: medianRows(runs), targets };
    return { machine: machineOf(environment), rounds, parts: [part] };
  });
}
