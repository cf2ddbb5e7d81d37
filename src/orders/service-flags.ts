import { type Command, InvalidArgumentError, Option } from "commander";
import type { App } from "../cli/command-action.ts";
import type { Flags, OpenAs } from "../cli/flow-program.ts";
import { type AllowedHostFlags, count, port, positive, withAllowedHosts } from "../cli/options.ts";
import type { FlowParts } from "../flow/run-services.ts";
import { type GatewayFlags, withGatewayFlags } from "./gateway/options.ts";
import type { NotificationCode } from "./replace-handler.ts";
import { maxLines } from "./wire/event-fault.ts";

/** `stock`: a SKU that nobody has stocked has the default stock; `refuse`: orders of it are OUT_OF_STOCK. */
const unknownSkuPolicies = ["stock", "refuse"] as const;
export type UnknownSkus = (typeof unknownSkuPolicies)[number];

export function withOrderServiceFlags(command: Command): Command {
  command
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

type PartsFlags = GatewayFlags &
  AllowedHostFlags & {
    defaultStock: number;
    unknownSkus: UnknownSkus;
    maxLines: number;
    httpHost: string;
    httpPort: number;
  };

type OpenOrderParts = (app: App, given: Flags, as: OpenAs) => Promise<FlowParts>;

/** With a user's code for notifications. What the services are made of is loaded only where they run. */
export const openOrderParts =
  (code?: NotificationCode<unknown>): OpenOrderParts =>
  async ({ env, signal, terminal: { note } }, given, as) => {
    const flags = given as Flags & PartsFlags;
    const { openGateway } = await import("./gateway/open-gateway.ts");
    const { orderParts } = await import("./service-parts.ts");
    const { partners } = await import("./services/handlers.ts");
    const { openNotification } = await import("./own-notification.ts");
    const isServed = code && as.services.includes("notification");
    return orderParts({
      ...openGateway(flags, note),
      defaultStock: flags.defaultStock,
      unknownSkus: flags.unknownSkus,
      maxLines: flags.maxLines,
      ...partners,
      ...as,
      notification: isServed ? await openNotification(code, { env, signal, note }) : undefined,
      http: { host: flags.httpHost, port: flags.httpPort, allowedHosts: flags.allowHost },
      note,
    });
  };
