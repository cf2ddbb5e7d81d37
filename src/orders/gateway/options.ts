import type { Command } from "commander";
import { count, httpUrl, positive, share, time } from "../../cli/options.ts";

/** Flags for how payment reaches its gateway, and for what a simulated gateway answers. */
export type GatewayFlags = {
  gateway?: URL;
  gatewayTimeout: number;
  gatewayAttempts: number;
  gatewayBackoff: number;
  breakerFailures: number;
  breakerOpen: number;
  declineShare: number;
  gatewaySeed: number;
  gatewayLatency: number;
  gatewayErrors: number;
};

export const withGatewayFlags = (command: Command): Command =>
  withSimulatedFlags(
    command
      .optionsGroup("Payment gateway:")
      .option("--gateway <url>", "the provider's API (default: one simulated in this process)", httpUrl)
      .addOption(time("--gateway-timeout <time>", "for one call", [2000, "2s"]))
      .option("--gateway-attempts <n>", "calls for one charge before it counts as failed", positive, 3)
      .addOption(
        time("--gateway-backoff <time>", "before the second call; doubles each time", [100, "100ms"]),
      )
      .option(
        "--breaker-failures <n>",
        "failed charges in a row that the breaker bears; one more opens it",
        count,
        5,
      )
      .addOption(
        time("--breaker-open <time>", "how long nothing is called once it is open", [15_000, "15s"]),
      ),
  );

const withSimulatedFlags = (command: Command): Command =>
  command
    .option("--decline-share <share>", "simulated: share of the orders that are declined", share, 0.02)
    .option("--gateway-seed <n>", "simulated: the same seed declines the same orders", count, 1)
    .addOption(time("--gateway-latency <time>", "simulated: how long a call takes", [0, "0s"]))
    .option("--gateway-errors <share>", "simulated: share of the calls that fail as in an outage", share, 0);

export const decisionOf = ({ gatewaySeed, declineShare }: GatewayFlags) => ({
  seed: gatewaySeed,
  declineShare,
});
