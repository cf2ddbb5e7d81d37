import { type Command, InvalidArgumentError, Option } from "commander";
import type { App } from "../cli/act.ts";
import { instanceOf } from "../cli/identity.ts";
import {
  type AllowedHostFlags,
  count,
  port,
  positive,
  withAllowedHosts,
  withStreamFlags,
} from "../cli/options.ts";
import {
  defaultMaxAttempts,
  type ServiceOptions,
  type UnknownSkus,
  unknownSkuPolicies,
} from "../flow/run-services.ts";
import { partners } from "../orders/services/registry.ts";
import { maxLines } from "../orders/wire/event-fault.ts";
import type { Telemetry } from "../telemetry/telemetry.ts";
import { type GatewayFlags, openGateway, withGatewayFlags } from "./gateway-options.ts";

/** The flags that every command has which runs services. */
export type ServiceFlags = GatewayFlags & {
  concurrency: number;
  window: number;
  maxAttempts: number;
  instance?: string;
  replicas: number;
  maxBytes?: number;
  defaultStock: number;
  unknownSkus: UnknownSkus;
  maxLines: number;
  httpHost: string;
  httpPort: number;
} & AllowedHostFlags;

export function withServiceFlags(command: Command): Command {
  command
    .optionsGroup("Services:")
    .option("--concurrency <n>", "deliveries in flight per worker", positive, 256)
    .option("--window <n>", "publishes in flight for the whole process", positive, 1024)
    .option(
      "--max-attempts <n>",
      "failures of one event before it becomes a dead letter",
      positive,
      defaultMaxAttempts,
    )
    .option("--instance <name>", "how this process calls itself (default: host and process id)");
  withStreamFlags(command)
    .option("--default-stock <n>", "inventory: units of a SKU that nobody has stocked", count, 1_000_000)
    .addOption(
      new Option("--unknown-skus <what>", "inventory: stock has them, or refuse the orders that name one")
        .choices(unknownSkuPolicies)
        .default("stock"),
    )
    .option(
      "--max-lines <n>",
      `order: lines that an order may have, ${maxLines} at most`,
      lineCount,
      maxLines,
    )
    .option("--http-host <host>", "order: where to listen", "127.0.0.1")
    .option("--http-port <port>", "order: where to listen; 0 takes a free port", port, 8080);
  return withGatewayFlags(withAllowedHosts(command));
}

function lineCount(text: string): number {
  const lines = positive(text);
  if (lines <= maxLines) return lines;
  throw new InvalidArgumentError(`an order has ${maxLines} lines at most.`);
}

export async function serviceOptions(
  app: App,
  flags: ServiceFlags,
  telemetry: Telemetry,
): Promise<ServiceOptions> {
  const { gateway, breaker } = openGateway(flags, app.terminal.note);
  return {
    gateway,
    breakers: { payment: breaker },
    telemetry,
    defaultStock: flags.defaultStock,
    unknownSkus: flags.unknownSkus,
    maxLines: flags.maxLines,
    ...partners,
    concurrency: flags.concurrency,
    window: flags.window,
    maxAttempts: flags.maxAttempts,
    instance: await instanceOf(app, flags),
    replicas: flags.replicas,
    maxBytes: flags.maxBytes,
    http: { host: flags.httpHost, port: flags.httpPort, allowedHosts: flags.allowHost },
    note: app.terminal.note,
  };
}
