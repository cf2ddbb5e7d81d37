import type { Command } from "commander";
import type { ArchiveFlags } from "../archive/start-archive.ts";
import type { App } from "../cli/command-action.ts";
import type { Flags, FlowProgram } from "../cli/flow-program.ts";
import { instanceOf } from "../cli/identity.ts";
import { type AllowedHostFlags, positive, time, withStreamFlags } from "../cli/options.ts";
import type { ServiceOptions } from "../flow/run-services.ts";
import { defaultMaxAttempts } from "../flow/start-workers.ts";
import type { Telemetry } from "../telemetry/telemetry.ts";

/** The flags of every command that runs services; the flow adds its own. */
export type ServiceFlags = Flags & {
  concurrency?: number;
  window: number;
  maxAttempts: number;
  instance?: string;
  replicas: number;
  maxBytes?: number;
} & ArchiveFlags &
  AllowedHostFlags;

export function withServiceFlags(command: Command, program: FlowProgram): Command {
  command
    .optionsGroup("Services:")
    .option(
      "--concurrency <n>",
      `deliveries in flight per worker (default: ${program.concurrency})`,
      positive,
    )
    .option("--window <n>", "publishes in flight for the whole process", positive, 1024)
    .option(
      "--max-attempts <n>",
      "failures of one event before it becomes a dead letter",
      positive,
      defaultMaxAttempts,
    )
    .option("--instance <name>", "how this process calls itself (default: host and process id)");
  return program.withServiceFlags(withArchiveFlags(withStreamFlags(command)));
}

const withArchiveFlags = (command: Command): Command =>
  command
    .option(
      "--archive <store>",
      "where the log is archived: a folder, or nats://<bucket> for an object store",
    )
    .addOption(time("--keep <time>", "younger events stay in the broker", [3_600_000, "1h"]))
    .option("--segment-events <n>", "events of one segment of the archive", positive, 50_000);

export async function serviceOptions(
  app: App,
  flags: ServiceFlags,
  { telemetry, services }: { telemetry: Telemetry; services: readonly string[] },
): Promise<ServiceOptions> {
  const instance = await instanceOf(app, flags);
  return {
    parts: await app.program.openParts(app, flags, { instance, telemetry, services }),
    async followArchive(log, as) {
      const { followArchive } = await import("../archive/archived-keys.ts");
      return followArchive(log, { env: app.env, note: app.terminal.note, ...as });
    },
    telemetry,
    concurrency: flags.concurrency,
    window: flags.window,
    maxAttempts: flags.maxAttempts,
    instance,
    replicas: flags.replicas,
    maxBytes: flags.maxBytes,
    note: app.terminal.note,
  };
}
