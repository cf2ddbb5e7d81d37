import { Option } from "commander";
import type { Online, Register } from "../cli/command-action.ts";
import { explainMissingLog } from "../cli/missing-log.ts";
import { paceMs, withConnection } from "../cli/options.ts";
import { watch } from "../cli/watch.ts";
import { topReport } from "./top-report.ts";
import { createTopReader } from "./top-sample.ts";

export const registerTop: Register = (command, act) => {
  const interval = new Option("--interval <time>", "between two samples")
    .argParser(paceMs)
    .default(1000, "1s");
  withConnection(command.addOption(interval)).action(act.online(top));
};

async function top(online: Online, { interval }: { interval: number }): Promise<void> {
  const { signal } = online;
  const readSample = createTopReader(online, { intervalMs: interval, signal });
  const read = () =>
    readSample().catch((thrown) => {
      throw explainMissingLog(thrown, online);
    });
  await watch(online, { kind: "top", view: topReport(online.flow), read, clockOf: ({ lag }) => lag.clock });
}
