import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { applyTopology } from "../../src/jetstream/streams/apply-topology.ts";
import { hastyTopology } from "../flow/hasty-topology.ts";
import { freePort } from "../support/free-ports.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { startTestBroker, type TestBroker } from "../support/start-test-broker.ts";
import { type Supervised, supervise } from "../support/supervised.ts";
import { until } from "../support/until.ts";
import { type LinkName, links, type ProcessName } from "./schedule.ts";
import { TcpProxy } from "./tcp-proxy.ts";
import type { Tortured } from "./tortured.ts";

export type WorldOptions = {
  tortured: Tortured;
  /** How long the broker waits before what a killed worker held comes again. */
  ackWaitMs: number;
  breakerOpenMs: number;
  /** How many there will be. */
  keys: number;
};

/** Can be killed and frozen. A kill resolves when it runs again, `downMs` later where nobody starts it at once. */
export type Victim = { kill(downMs: number): Promise<void>; freeze(): void; thaw(): void };

/** The whole system: processes of the built command, a broker, and the wires between them. */
export type World = {
  tortured: Tortured;
  folder: string;
  broker: TestBroker;
  /** Past the proxies. */
  admin: Connection;
  gatewayUrl: string;
  ledger: string;
  workers: readonly Supervised[];
  archiver: Supervised;
  gateway: Supervised;
  victims: Record<ProcessName, Victim>;
  links: Record<LinkName, TcpProxy>;
  /** Ends every process. `keep` leaves the data where it is. */
  close(options: { keep: boolean }): Promise<void>;
};

/**
 * The whole of it takes as many seconds as there are connections, and not the two minutes that a server of many takes.
 */
const lameDuck = `
lame_duck_duration: 30s
lame_duck_grace_period: 1s`;

/** So that it archives every few seconds. */
const archiveWords = "--keep 3s --segment-events 500";

const patience = "--reconnect-wait 250ms";
export const connectionWords = ({ port }: TcpProxy): string =>
  `--server nats://127.0.0.1:${port} ${patience}`;

/** Starts everything; where that fails, nothing is left. */
export async function openWorld(options: WorldOptions): Promise<World> {
  const { tortured } = options;
  const folder = await mkdtemp(join(tmpdir(), "orderctl-chaos-"));
  const closers: ((keep: boolean) => Promise<unknown>)[] = [
    async (keep) => keep || (await rm(folder, { recursive: true, force: true })),
  ];
  const close = async ({ keep }: { keep: boolean }) => {
    for (const closer of closers.splice(0).reverse()) await closer(keep);
  };
  try {
    const broker = await startTestBroker({ extraConfig: lameDuck });
    closers.push((keep) => (keep ? broker.kill() : broker.stop()));
    const admin = await openTestConnection(broker.url);
    closers.push(() => admin.close());
    await applyTopology(admin, hastyTopology(options.ackWaitMs, 1, tortured.flow));
    const proxies = await openLinks(broker.port);
    closers.push(() => Promise.all(Object.values(proxies).map((proxy) => proxy.close())));
    const services = await startProcesses(proxies, folder, options);
    closers.push(() => Promise.all(processesOf(services).map((each) => each.end())));
    await until(() => isUp(services.gatewayUrl), 30_000);
    await until(() => areWaiting(admin, tortured, services.workers.length), 30_000);
    const victims = victimsOf(broker, services);
    return { tortured, folder, broker, admin, victims, links: proxies, ...services, close };
  } catch (thrown) {
    await close({ keep: false });
    throw thrown;
  }
}

/** Every process but the broker. */
export const processesOf = ({
  workers,
  archiver,
  gateway,
}: Pick<World, "workers" | "archiver" | "gateway">) => [...workers, archiver, gateway];

async function openLinks(port: number): Promise<Record<LinkName, TcpProxy>> {
  const opened = await Promise.all(links.map(async (name) => [name, await TcpProxy.open(port)] as const));
  return Object.fromEntries(opened) as Record<LinkName, TcpProxy>;
}

async function startProcesses(proxies: Record<LinkName, TcpProxy>, folder: string, options: WorldOptions) {
  const logs = join(folder, "logs");
  await mkdir(logs);
  const port = await freePort();
  const gatewayUrl = `http://127.0.0.1:${port}`;
  const ledger = join(folder, "ledger.ndjson");
  const { tortured } = options;
  const serving = `serve gateway --gateway-port ${port} --ledger ${ledger} ${tortured.gatewayWords}`;
  const gateway = supervise(serving, { log: join(logs, "gateway.log") });
  const { words: work, env = {} } = tortured.serve({ ...options, gatewayUrl });
  const workers = (["worker one", "worker two"] as const).map((name) => {
    const instance = name.replace(" ", "-");
    const where = `${connectionWords(proxies[name])} --instance ${instance} --log-level info`;
    return supervise(`${work} ${where}${tortured.words}`, { log: join(logs, `${instance}.log`), env });
  });
  const archiving = `serve archive --archive ${join(folder, "archive")} ${archiveWords}`;
  const where = `${connectionWords(proxies.archiver)} --instance archiver${tortured.words}`;
  const archiver = supervise(`${archiving} ${where}`, { log: join(logs, "archiver.log") });
  return { gateway, gatewayUrl, ledger, workers, archiver };
}

function victimsOf(
  broker: TestBroker,
  { gateway, archiver, workers }: Pick<World, "gateway" | "archiver" | "workers">,
): Record<ProcessName, Victim> {
  const [one, two] = workers as [Supervised, Supervised];
  return {
    "worker one": one,
    "worker two": two,
    archiver,
    gateway,
    broker: {
      async kill(downMs) {
        await broker.kill();
        await wait(downMs);
        await broker.restart();
      },
      freeze: () => void process.kill(broker.pid, "SIGSTOP"),
      thaw: () => void process.kill(broker.pid, "SIGCONT"),
    },
  };
}

const isUp = (url: string): Promise<boolean> =>
  fetch(`${url}/healthz`).then(
    ({ ok }) => ok,
    () => false,
  );

/** So many processes wait for the first events. */
async function areWaiting({ jsm }: Connection, { flow }: Tortured, workers: number): Promise<boolean> {
  const first = flow.subscriptions.find(({ on }) => on === flow.firstKind)?.consumer ?? "";
  return (await jsm.consumers.info(flow.stream, first)).num_waiting >= workers;
}
