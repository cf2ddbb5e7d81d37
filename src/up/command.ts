import { withBrokerOf, withConnectionTo } from "../broker/own-broker.ts";
import { isBrokerAnswering } from "../broker/probe.ts";
import { awaitStoreOwner } from "../broker/store-owner.ts";
import type { App, Online, Register } from "../cli/command-action.ts";
import type { FlowProgram } from "../cli/flow-program.ts";
import { port, withConnection, withNoAuth } from "../cli/options.ts";
import { noteClock } from "../cli/read-clock.ts";
import { openServiceLog } from "../cli/service-log.ts";
import { defaultServer } from "../cli/settings.ts";
import { withMetricsFlags } from "../cli/telemetry-options.ts";
import { untilStopped } from "../cli/until-stopped.ts";
import { showOn, showSamples } from "../cli/watch.ts";
import type { Collector } from "../collector/start-collector.ts";
import { brokerDataDir } from "../core/directories.ts";
import type { Note } from "../core/note.ts";
import { archiveService } from "../flow/log-archive.ts";
import type { RunningServices } from "../flow/run-services.ts";
import { createLagReader, type LogLag, lagReport } from "../lag/log-lag.ts";
import { withServiceFlags } from "../serve/service-options.ts";
import { servingLine } from "../serve/serving-line.ts";
import { type ServingFlags, startServices } from "../serve/start-services.ts";
import { leavesReceiverOpen } from "../telemetry/telemetry.ts";
import type { LiveScreen } from "../terminal/live-screen.tsx";
import { wrapWords } from "../terminal/plain-text.ts";
import type { View } from "../terminal/terminal.ts";

const defaultPort = 4222;
const sampleMs = 1000;
const collectorMs = 1000;
/** Limits a request to the collector: parsing this much JSON blocks the services in this process for about 30 ms. */
const maxBodyBytes = 2 * 1024 * 1024;

type Options = ServingFlags & { collectPort: number; auth: boolean };

export const registerUp: Register = (command, act, program) => {
  withMetricsFlags(withServiceFlags(command, program)).option(
    "--collect-port <port>",
    "where spans are collected, unless the environment names an endpoint; 0 takes a free port",
    port,
    4318,
  );
  withNoAuth(command);
  withConnection(command).action(act.offline(up));
};

/**
 * Starts a broker only if no server is configured, no broker runs on orderctl's own store, and none answers at the
 * default address.
 */
async function up(app: App, flags: Options): Promise<undefined> {
  const screen = app.terminal.live ? await app.terminal.openScreen() : undefined;
  const write = screen && ((line: string) => screen.note(line.trimEnd()));
  const log = await openServiceLog(app, flags, {
    services: servedBy(app.program),
    screen: write && { write },
  });
  const { note } = log;
  const work = (online: Online) => runEverything(online, flags, { screen, note });
  try {
    const { serverGiven } = await app.config();
    const storeDir = brokerDataDir(app.env);
    if (serverGiven || (await isForeignBrokerAt(defaultServer, storeDir)))
      await withConnectionTo(app, { note }, work);
    else await withBrokerOf(app, { port: defaultPort, storeDir, note, noAuth: !flags.auth }, work);
  } finally {
    screen?.close();
    await log.flush();
  }
  return undefined;
}

/** The order of the checks matters: a broker started by orderctl registers itself for the store before it listens. */
const isForeignBrokerAt = async (server: string, storeDir: string): Promise<boolean> =>
  (await isBrokerAnswering(server)) !== undefined && (await awaitStoreOwner(storeDir)) === undefined;

/** The archiver moves what it archives out of the stream: only of one that is orderctl's own. */
const servedBy = ({ runnable, serviceOf, flow }: FlowProgram): string[] => [
  ...runnable.map(serviceOf),
  ...(flow.isManaged ? [archiveService] : []),
];

type Shown = { screen: LiveScreen | undefined; note: (text: string) => void };

async function runEverything(online: Online, flags: Options, { screen, note }: Shown): Promise<void> {
  const collector = await startOwnCollector(online, flags, note);
  const noting = { ...online, terminal: { ...online.terminal, note } };
  const names = servedBy(online.program);
  const services = await startServices(noting, { names, flags, collector: collector?.url });
  if (!screen) online.terminal.show("serving", services.serving, servingLine(services.told));
  const ended = new AbortController();
  const showing = screen && showLag(noting, { screen, services, signal: ended.signal });
  await untilStopped(noting, services);
  await collector?.stop(collectorMs);
  ended.abort();
  await showing;
}

/** Starts a collector unless the environment says where spans go. */
async function startOwnCollector(
  { connection, env }: Online,
  { collectPort, replicas }: Options,
  note: Note,
): Promise<Collector | undefined> {
  if (!leavesReceiverOpen(env)) return undefined;
  const { startCollector } = await import("../collector/start-collector.ts");
  return startCollector(connection, {
    host: "127.0.0.1",
    port: collectPort,
    flag: "--collect-port",
    replicas,
    note,
    maxBodyBytes,
  });
}

/** Below what is served, the services' consumers once a second; also while the broker is away. */
async function showLag(
  online: Online,
  { screen, services, signal }: { screen: LiveScreen; services: RunningServices; signal: AbortSignal },
): Promise<void> {
  const sample = { stream: online.flow.stream, intervalMs: sampleMs, durableOnly: true, signal };
  const display = showOn(screen, online, { view: upView(services) });
  display.sample(undefined);
  let told = false;
  const readLag = createLagReader(online, sample);
  const read = async () => {
    const lag = await readLag();
    if (!told) noteClock(online.terminal, lag.clock);
    told = true;
    return lag;
  };
  await showSamples(read, display, { signal, mayPass: () => true });
  display.close();
}

/** What is served, wrapped, and the lag and the archive once they are known. */
export const upView =
  ({ serving, told }: RunningServices): View<LogLag | undefined> =>
  (lag, style) => {
    const lines = wrapWords(servingLine(told)(serving, style), style.width);
    return [lines.join("\n"), ...(lag ? [lagReport(lag, style)] : [])].join("\n\n");
  };
