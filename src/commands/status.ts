import { type Connection, openConnection } from "../jetstream/connection.ts";
import type { ConnectionConfig } from "../jetstream/connection-config.ts";
import { type ProcessStatus, readProcesses } from "../pipeline/process-status.ts";
import { findSettings, flagOf, type SettingName, settingNames } from "../settings.ts";
import { statusReport } from "../views/status-report.ts";
import type { App, Register } from "./act.ts";
import { connectionTimes, withConnection } from "./options.ts";

/** A setting in force; a secret is told as `***`, what nobody gave as `null`. */
export type StatusSetting = { name: string; value: string | null; from: string | null };

/** Whom the broker takes this program for, and how long it takes to answer. */
type BrokerStatus = {
  server: string;
  version: string;
  jetStream: boolean;
  user: string;
  roundTripMs: number;
};

export type Status = {
  settings: StatusSetting[];
  /** `null` where it cannot be reached. */
  broker: BrokerStatus | null;
  processes: ProcessStatus[];
};

export const registerStatus: Register = (command, act) => {
  withConnection(command).action(act.offline(status));
};

/** The settings are shown all the same where the broker cannot be reached: they may be why. */
async function status(app: App, flags: Parameters<typeof findSettings>[0]): Promise<undefined> {
  const { connection: config } = await app.config();
  const { broker, processes, failure } = await askBroker(app, config);
  const settings = [...textSettings(flags, app.env), ...timeSettings(config)];
  app.terminal.show("status", { broker, processes, settings }, statusReport);
  if (failure) throw failure;
  return undefined;
}

type Answer = Pick<Status, "broker" | "processes"> & { failure?: unknown };

async function askBroker({ terminal, signal }: App, config: ConnectionConfig): Promise<Answer> {
  try {
    const settings = { ...config, connectTimeoutMs: config.timeoutMs };
    const connection = await openConnection(settings, terminal.note, signal);
    try {
      return { broker: await readBroker(connection), processes: await readProcesses(connection) };
    } finally {
      await connection.close();
    }
  } catch (failure) {
    return { broker: null, processes: [], failure };
  }
}

const readBroker = async ({ nats, server, version, user }: Connection): Promise<BrokerStatus> => ({
  server,
  version,
  jetStream: nats.info?.jetstream === true,
  user,
  roundTripMs: await nats.rtt(),
});

const secrets: readonly SettingName[] = ["password", "token"];

function textSettings(...given: Parameters<typeof findSettings>): StatusSetting[] {
  const { found, servers } = findSettings(...given);
  return settingNames.map((setting) => {
    const { value, from } = found[setting] ?? { value: null, from: null };
    const name = flagOf(setting).slice(2);
    if (setting === "server") return { name, value: servers.join(","), from: from ?? "default" };
    return { name, value: value !== null && secrets.includes(setting) ? "***" : value, from };
  });
}

const timeSettings = (config: ConnectionConfig): StatusSetting[] =>
  connectionTimes.map(({ flag, setting, defaultMs }) => {
    const isDefault = config[setting] === defaultMs;
    return { name: flag, value: `${config[setting] / 1000}s`, from: isDefault ? "default" : `--${flag}` };
  });
