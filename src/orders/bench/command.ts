import { Argument } from "commander";
import { withConnectionTo, withOwnBroker } from "../../broker/own-broker.ts";
import type { App, Online, Register } from "../../cli/command-action.ts";
import { positive, withJson } from "../../cli/options.ts";
import { OrderctlError } from "../../core/errors.ts";
import { benchFlows } from "./bench-flows.ts";
import { benchPipeline } from "./bench-pipeline.ts";
import { benchPublish } from "./bench-publish.ts";
import { benchTracing } from "./bench-tracing.ts";
import { warmUpMs } from "./flow-meter.ts";
import { benchReport } from "./report-view.ts";

type Flags = {
  quick: boolean;
  rounds?: number;
  messages?: number;
  count?: number;
  rate: number;
  seconds?: number;
  concurrency: number;
  window: number;
  server?: string;
};

type Sizes = { rounds: number; messages: number; count: number; seconds: number };

const full: Sizes = { rounds: 3, messages: 100_000, count: 50_000, seconds: 30 };
const quick: Sizes = { rounds: 1, messages: 20_000, count: 10_000, seconds: 6 };

const benches = {
  publish: benchPublish,
  pipeline: benchPipeline,
  flows: benchFlows,
  tracing: benchTracing,
};
type BenchName = keyof typeof benches;
const benchNames = Object.keys(benches).filter((name): name is BenchName => name in benches);

export const registerBench: Register = (command, act) => {
  command
    .addArgument(new Argument("[what...]", "all by default").choices(benchNames))
    .option("--rounds <n>", "how often each way runs; medians are shown (default: 3)", positive)
    .option("--quick", "one short round: rough figures within a minute", false)
    .option("-s, --server <url>", "measure this broker, which has no order log; else one of its own")
    .optionsGroup("Publish:")
    .option("--messages <n>", "events stored in each run (default: 100k)", positive)
    .optionsGroup("Pipeline, flows and tracing:")
    .option("--rate <n>", "orders per second for latency, and up to 1000 for lost spans", positive, 10_000)
    .option("--seconds <n>", "for how long; the first 2 s do not count (default: 30)", positive)
    .option(
      "-n, --count <n>",
      "orders through all four stages, or one of flows, in each run (default: 50k)",
      positive,
    )
    .option("--concurrency <n>", "deliveries in flight per worker of orderctl", positive, 256)
    .option("--window <n>", "publishes in flight of orderctl's services", positive, 1024);
  withJson(command).action(act.offline(bench));
};

/** A missed target does not change the exit code: bench measures, it is not a test. */
async function bench(app: App, flags: Flags, asked: string[]): Promise<void> {
  const sizes = sizesOf(flags);
  const progress = await app.terminal.progress();
  const { signal, terminal } = app;
  const measure = async ({ connection, config }: Online, brokerPid: number | null) => {
    const settings = { ...(await config()).connection, servers: [connection.server] };
    const environment = { connection, config: settings, brokerPid, signal, note: terminal.note };
    for (const name of benchNames) {
      if (asked.length > 0 && !asked.includes(name)) continue;
      const onRun = (text: string) => progress.update(text);
      const report = await benches[name](environment, { ...flags, ...sizes, onRun });
      progress.end();
      terminal.show(`bench-${name}`, report, benchReport(`bench ${name}`));
    }
  };
  try {
    const note = (text: string) => progress.update(text);
    if (flags.server) await withConnectionTo(app, { note: terminal.note }, (online) => measure(online, null));
    else await withOwnBroker(app, { port: 0, note }, (online, { pid }) => measure(online, pid()));
  } finally {
    progress.end();
  }
}

function sizesOf(flags: Flags): Sizes {
  const defaults = flags.quick ? quick : full;
  const { rounds = defaults.rounds, messages = defaults.messages } = flags;
  const { count = defaults.count, seconds = defaults.seconds } = flags;
  if (seconds * 1000 > warmUpMs) return { rounds, messages, count, seconds };
  throw new OrderctlError("usage", `--seconds has to be more than ${warmUpMs / 1000}`, {
    hint: "what is measured while everything warms up does not count",
  });
}
