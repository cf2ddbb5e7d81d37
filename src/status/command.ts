import type { App, Register } from "../cli/command-action.ts";
import type { ConnectionFlags } from "../cli/config.ts";
import { connectionFlags, connectionTimes, type FlagSpec, typed } from "../cli/connection-flags.ts";
import { withConnection } from "../cli/options.ts";
import { flagOf, type SettingName, type Settings, settingNames } from "../cli/settings.ts";
import { buildLogArchive, type LogArchive } from "../flow/log-archive.ts";
import { createLogMeter } from "../flow/log-cost.ts";
import { askProcesses, type ProcessStatus } from "../flow/process-status.ts";
import { type ClockDifference, readBrokerClock } from "../jetstream/client/broker-clock.ts";
import { type Connection, openConnection } from "../jetstream/client/connection.ts";
import type { ConnectionConfig } from "../jetstream/client/connection-config.ts";
import { statusReport } from "./status-report.ts";

/** A setting in force: a secret has the value `***`, an unset one `null`. */
export type StatusSetting = { name: string; value: string | null; from: string | null };

/** The broker, the user it takes this program for, and its response time. */
type BrokerStatus = {
  server: string;
  version: string;
  jetStream: boolean;
  user: string;
  roundTripMs: number;
  clock: ClockDifference;
};

export type Status = {
  settings: StatusSetting[];
  /** `null` when the broker cannot be reached. */
  broker: BrokerStatus | null;
  processes: ProcessStatus[];
  /** How many answers are not a valid process status. */
  unreadableAnswers: number;
  /** True when there were more answers than are collected, so processes may be missing. */
  answersCut: boolean;
  /** `null` when there is no log, or this user may not read its state. */
  archive: LogArchive | null;
};

export const registerStatus: Register = (command, act) => {
  withConnection(command).action(act.offline(status));
};

/** Shows the settings even when the broker cannot be reached, because they may be the reason. */
async function status(app: App, flags: ConnectionFlags): Promise<undefined> {
  const { connection: config, settings: found } = await app.config();
  const { failure, ...answered } = await askBroker(app, config);
  const settings = settingsIn(flags, found);
  app.terminal.show("status", { ...answered, settings }, statusReport);
  if (failure) throw failure;
  return undefined;
}

type Answer = Omit<Status, "settings"> & { failure?: unknown };

async function askBroker({ flow, terminal, signal }: App, config: ConnectionConfig): Promise<Answer> {
  let broker: BrokerStatus | null = null;
  try {
    const settings = { ...config, connectTimeoutMs: config.timeoutMs };
    const connection = await openConnection(settings, terminal.note, signal);
    try {
      const clock = await readBrokerClock(connection, flow.stream);
      broker = await readBroker(connection, clock.difference);
      const asked = await askProcesses(connection, { roundTripMs: broker.roundTripMs, signal });
      const cost = await createLogMeter(connection, flow.stream)();
      signal.throwIfAborted();
      const { processes, unreadable: unreadableAnswers, isCut: answersCut } = asked;
      const sampledAt = new Date(clock.nowUs() / 1000).toISOString();
      const archive =
        cost && flow.isManaged ? buildLogArchive(flow.stream, processes, { sampledAt, cost }) : null;
      return { broker, processes, unreadableAnswers, answersCut, archive };
    } finally {
      await connection.close();
    }
  } catch (failure) {
    return { broker, processes: [], unreadableAnswers: 0, answersCut: false, archive: null, failure };
  }
}

async function readBroker(connection: Connection, clock: ClockDifference): Promise<BrokerStatus> {
  const { nats, server, version, user } = connection;
  // The client's own `rtt` has a resolution of whole milliseconds, which a local broker stays below.
  const startedAt = performance.now();
  await nats.flush();
  const roundTripMs = performance.now() - startedAt;
  return { server, version, jetStream: nats.info?.jetstream === true, user, roundTripMs, clock };
}

/** A path to a file is no secret; a value given directly, or embedded in the context as `data:`, is. */
const isSecret = (name: SettingName, value: string): boolean =>
  value.startsWith("data:") ||
  ((connectionFlags[name] as FlagSpec).isSecret === true && !value.startsWith("file://"));

/** In the order in which they are looked up: the context first, times last. */
function settingsIn(
  flags: ConnectionFlags,
  { found, servers, context, tlsFirst, withheld }: Settings,
): StatusSetting[] {
  const texts = settingNames.map((setting) => {
    const { value, from } = found[setting] ?? { value: null, from: null };
    const name = flagOf(setting).replace(/^--/, "");
    if (setting === "server") return { name, value: servers.join(","), from: from ?? "default" };
    return { name, value: value !== null && isSecret(setting, value) ? "***" : value, from };
  });
  const times = connectionTimes.map(({ flag, defaultMs }) => ({
    name: typed(flag).slice(2),
    value: `${(flags[flag] ?? defaultMs) / 1000}s`,
    from: flags[flag] === undefined ? "default" : typed(flag),
  }));
  return [
    { name: "context", value: context?.value ?? null, from: context?.from ?? null },
    ...texts,
    { name: "tls-first", value: tlsFirst ? String(tlsFirst.value) : null, from: tlsFirst?.from ?? null },
    ...(withheld.length > 0 ? [{ name: "not sent", value: withheld.join(", "), from: "for NATS_URL" }] : []),
    ...times,
  ];
}
