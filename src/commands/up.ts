import { setTimeout as wait } from "node:timers/promises";
import { brokerDataDir } from "../broker/directories.ts";
import { isBrokerAnswering } from "../broker/probe.ts";
import { defaultServer } from "../config.ts";
import { readLag } from "../jetstream/lag.ts";
import { ordersStream } from "../orders/subjects.ts";
import { runServices } from "../pipeline/run-services.ts";
import { runnableNames } from "../services/registry.ts";
import type { UpScreen } from "../views/live/up-screen.tsx";
import { servingLine } from "../views/serving-line.ts";
import type { App, Online, Register } from "./act.ts";
import { withConnection } from "./options.ts";
import { withConnectionTo, withOwnBroker } from "./own-broker.ts";
import { untilStopped } from "./serve.ts";
import { type ServiceFlags, serviceOptions, withServiceFlags } from "./service-options.ts";

const defaultPort = 4222;
const sampleMs = 1000;

export const registerUp: Register = (command, act) => {
  withConnection(withServiceFlags(command)).action(act.offline(up));
};

/** Brings a broker only where none was named and none answers at the default address. */
async function up(app: App, flags: ServiceFlags): Promise<undefined> {
  const screen = app.terminal.live ? await openScreen(app) : undefined;
  const note = screen?.note ?? app.terminal.note;
  const work = (online: Online) => runEverything(online, flags, { screen, note });
  try {
    const { serverGiven } = await app.config();
    if (serverGiven || (await isBrokerAnswering(defaultServer))) await withConnectionTo(app, { note }, work);
    else await withOwnBroker(app, { port: defaultPort, storeDir: brokerDataDir(app.env), note }, work);
  } finally {
    screen?.close();
  }
  return undefined;
}

async function openScreen({ terminal }: App): Promise<UpScreen> {
  const { openUpScreen } = await import("../views/live/up-screen.tsx");
  return openUpScreen(terminal.stdout, terminal.style);
}

type Shown = { screen: UpScreen | undefined; note: (text: string) => void };

async function runEverything(online: Online, flags: ServiceFlags, { screen, note }: Shown): Promise<void> {
  const services = await runServices(online.connection, runnableNames, {
    ...(await serviceOptions(online, flags)),
    note,
  });
  if (screen) screen.update({ serving: services.serving });
  else online.terminal.show("serving", services.serving, servingLine);
  const ended = new AbortController();
  const drawing = screen && draw(online, screen, ended.signal);
  await untilStopped({ ...online, terminal: { ...online.terminal, note } }, services);
  ended.abort();
  await drawing;
}

/** Redraws after every sample; a broker that is away for a moment is no reason to stop. */
async function draw({ connection }: Online, screen: UpScreen, signal: AbortSignal): Promise<void> {
  const sample = { stream: ordersStream, intervalMs: sampleMs, signal };
  while (!signal.aborted) {
    try {
      screen.update({ lag: await readLag(connection, sample) });
    } catch {
      await wait(sampleMs, undefined, { ref: false });
    }
  }
}
