import { Command, Option } from "commander";
import { count, durationMs, positive } from "../../src/cli/options.ts";
import { type ChaosOptions, type FlowName, flowNames } from "./run-chaos.ts";

type Flags = {
  flow: FlowName;
  minutes?: number;
  orders?: number;
  rate: number;
  seed?: number;
  kills?: number;
  ackWait: number;
};

const about = [
  "Runs the built orderctl for real - two processes of all services, an archiver, a payment gateway with a ledger, a nats-server and",
  "publishers - and breaks it again and again: kills, freezes, orderly stops and second starts of the broker, cut and",
  "stalled connections, a full stream, a gateway in trouble, bursts, messages nobody can read. Then it puts everything",
  "back, waits until all is worked off, and checks that no order is lost, none charged twice, and nothing but the",
  "unreadable was given up. With --flow claims it does so to a flow of protobuf claims that a user might define, whose",
  "payouts are booked at the gateway, which is away for a minute besides.",
].join(" ");

const msPerKill = 5000;

/** Reads the command line; ends the process with 2 where that is wrong, with 0 for \`--help\`. */
export function readOptions(argv: readonly string[]): ChaosOptions {
  const command = new Command("npm run chaos --")
    .description(about)
    .addOption(
      new Option("--flow <name>", "the built-in flow, or one of one's own")
        .choices(flowNames)
        .default("orders"),
    )
    .addOption(
      new Option("--minutes <n>", "how long orders come and faults happen").default(10).argParser(minutes),
    )
    .addOption(
      new Option("--orders <n>", "so many orders, or claims, instead, at --rate")
        .argParser(positive)
        .conflicts("minutes"),
    )
    .option("--rate <n>", "orders, or claims, per second, on average", positive, 300)
    .option("--seed <n>", "the same seed, the same faults in the same order at the same time", count)
    .option(
      "--kills <n>",
      "kill -9 of a worker, the archiver, the broker or the gateway (default: one in 5 s)",
      count,
    )
    .addOption(
      new Option("--ack-wait <time>", "when the broker delivers again what a killed worker held")
        .default(30_000, "30s, as orderctl sets it")
        .argParser(durationMs),
    )
    .addHelpText(
      "after",
      "\nExit code: 0 PASS, 1 FAIL (the data is kept and named), 2 usage, 130 interrupted.",
    )
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2));
  return optionsOf(command.parse(argv, { from: "user" }).opts<Flags>());
}

function optionsOf({ minutes: length = 10, rate, ...flags }: Flags): ChaosOptions {
  const orders = flags.orders ?? Math.max(1, Math.round(length * 60 * rate));
  const kills = flags.kills ?? Math.ceil(((orders / rate) * 1000) / msPerKill);
  const seed = flags.seed ?? Math.floor(Math.random() * 1_000_000);
  return { flow: flags.flow, seed, orders, rate, kills, ackWaitMs: flags.ackWait };
}

function minutes(text: string): number {
  return durationMs(`${text}m`) / 60_000;
}
