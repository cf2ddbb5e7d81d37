import { type Command, Option } from "commander";
import type { PaymentGateway } from "../gateway/gateway.ts";
import { createRetryingGateway } from "../gateway/retrying-gateway.ts";
import { createSimulatedGateway } from "../gateway/simulated-gateway.ts";
import type { ServiceOptions } from "../pipeline/run-services.ts";
import { instanceName } from "../telemetry/hop.ts";
import type { Telemetry } from "../telemetry/telemetry.ts";
import type { App } from "./act.ts";
import { count, durationMs, port, positive, replicas, share } from "./options.ts";

/** The flags that every command has which runs services. */
export type ServiceFlags = {
  concurrency: number;
  window: number;
  instance?: string;
  replicas: number;
  declineShare: number;
  gatewayLatency: number;
  gatewaySeed: number;
  gatewayErrors: number;
  gatewayAttempts: number;
  gatewayBackoff: number;
  defaultStock: number;
  httpHost: string;
  httpPort: number;
};

export function withServiceFlags(command: Command): Command {
  return command
    .optionsGroup("Services:")
    .option("--concurrency <n>", "deliveries in flight per worker", positive, 256)
    .option("--window <n>", "publishes in flight for the whole process", positive, 1024)
    .option("--instance <name>", "how this process calls itself (default: host and process id)")
    .option("--replicas <n>", "of the streams, when they are created", replicas, 1)
    .option("--decline-share <share>", "payment: share of the orders that the gateway declines", share, 0.02)
    .option("--gateway-latency <time>", "payment: how long the gateway takes", durationMs, 0)
    .option("--gateway-seed <n>", "payment: the same seed declines the same orders", count, 1)
    .option(
      "--gateway-errors <share>",
      "payment: share of the gateway's calls that fail as in an outage",
      share,
      0,
    )
    .option("--gateway-attempts <n>", "payment: calls for one charge before it counts as failed", positive, 3)
    .addOption(
      new Option("--gateway-backoff <time>", "payment: before the second call; doubles each time")
        .default(100, "100ms")
        .argParser(durationMs),
    )
    .option("--default-stock <n>", "inventory: units of a SKU that nobody has stocked", count, 1_000_000)
    .option("--http-host <host>", "order: where to listen", "127.0.0.1")
    .option("--http-port <port>", "order: where to listen; 0 takes a free port", port, 8080);
}

export async function serviceOptions(
  app: App,
  flags: ServiceFlags,
  telemetry: Telemetry,
): Promise<ServiceOptions> {
  return {
    gateway: gatewayOf(flags),
    telemetry,
    defaultStock: flags.defaultStock,
    carrier: "parcel",
    channel: "email",
    concurrency: flags.concurrency,
    window: flags.window,
    instance: await instanceOf(app, flags),
    replicas: flags.replicas,
    http: { host: flags.httpHost, port: flags.httpPort },
    note: app.terminal.note,
  };
}

/** How this process calls itself. */
export const instanceOf = async (app: App, { instance }: Pick<ServiceFlags, "instance">): Promise<string> =>
  instanceName(instance ?? (await app.config()).instance);

function gatewayOf(flags: ServiceFlags): PaymentGateway {
  const gateway = createSimulatedGateway({
    seed: flags.gatewaySeed,
    declineShare: flags.declineShare,
    latencyMs: flags.gatewayLatency,
    errorShare: flags.gatewayErrors,
  });
  return createRetryingGateway(gateway, {
    attempts: flags.gatewayAttempts,
    backoffMs: flags.gatewayBackoff,
  });
}
