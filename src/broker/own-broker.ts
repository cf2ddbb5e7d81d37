import { rm } from "node:fs/promises";
import { type App, type Online, onlineWith } from "../cli/command-action.ts";
import type { OwnServer } from "../cli/config.ts";
import { OrderctlError } from "../core/errors.ts";
import type { Note } from "../core/note.ts";
import { makeTemporaryFolder } from "../core/private-files.ts";
import { openConnection } from "../jetstream/client/connection.ts";
import { adoptBroker } from "./adopt-broker.ts";
import { findBroker } from "./find-broker.ts";
import { keepBroker } from "./keep-broker.ts";
import type { Broker } from "./start-broker.ts";
import { awaitStoreOwner, type FoundOwner, storeInUse } from "./store-owner.ts";

type OwnBroker = { port: number; storeDir: string; note: Note; noAuth?: boolean | undefined };

type KeptBroker = Pick<Broker, "url" | "nkey" | "version"> & { source: string; pid(): number };

/** Runs `work` against a broker with a temporary store. Both are removed afterwards, even if `work` fails. */
export async function withOwnBroker<T>(
  app: App,
  { port, note }: Pick<OwnBroker, "port" | "note">,
  work: (online: Online, broker: KeptBroker) => Promise<T>,
): Promise<T> {
  const storeDir = makeTemporaryFolder("orderctl-");
  try {
    const broker = await keep(app, { port, storeDir, note });
    try {
      return await withConnectionTo(app, { server: broker, note }, (online) => work(online, broker));
    } finally {
      await broker.stop();
    }
  } finally {
    await rm(storeDir, { recursive: true, force: true });
  }
}

/**
 * Runs `work` against the broker that runs on `storeDir`, or starts one there and stops it afterwards. A broker that a
 * killed process left behind is taken over and stopped afterwards too; any other running one is left running. Throws
 * `conflict` if the running one does not answer.
 */
export async function withBrokerOf<T>(
  app: App,
  own: OwnBroker,
  work: (online: Online) => Promise<T>,
): Promise<T> {
  const broker = await findOrStart(app, own);
  try {
    return await withConnectionTo(app, { server: broker, note: own.note }, work);
  } finally {
    await broker.stop?.();
  }
}

async function findOrStart(app: App, own: OwnBroker): Promise<OwnServer & { stop?: () => Promise<void> }> {
  for (;;) {
    const running = await awaitStoreOwner(own.storeDir);
    if (running) return share(app, own, running);
    try {
      return await keep(app, own);
    } catch (thrown) {
      // Another process may have started the broker in the meantime.
      const isTaken = thrown instanceof OrderctlError && thrown.code === "conflict";
      if (!isTaken || (await awaitStoreOwner(own.storeDir)) === undefined) throw thrown;
    }
  }
}

async function share(app: App, own: OwnBroker, running: FoundOwner) {
  const { isAnswering, url, nkey } = running;
  if (!isAnswering || url === undefined) throw storeInUse(running);
  const adopted = await adoptBroker(own.storeDir);
  own.note(adopted ? leftBehind(running) : usesOther(running));
  if (nkey === undefined && !own.noAuth)
    own.note(`the nats-server at ${url} takes everybody on this machine`);
  return adopted ? keep(app, { ...own, port: adopted.port }, adopted) : { url, nkey };
}

const leftBehind = ({ url, process, keeper }: FoundOwner): string =>
  `took over the nats-server at ${url} (process ${process.pid}), which process ${keeper?.pid} left behind; it ends with this one`;

function usesOther({ url, process, isKept, keeper }: FoundOwner): string {
  const end = isKept
    ? `it ends with process ${keeper?.pid}, to which it belongs`
    : "it goes on after this one, until `orderctl broker stop`";
  return `using the nats-server that runs at ${url} (process ${process.pid}); ${end}`;
}

async function keep({ env, signal }: App, { port, storeDir, note, noAuth }: OwnBroker, running?: Broker) {
  const binary = await findBroker({ env, signal, onStep: note });
  const broker = await keepBroker({ binary, port, storeDir, signal, noAuth }, note, running);
  return { ...broker, source: binary.source };
}

/**
 * Runs `work` with a connection, which is closed afterwards. Without `server`, it goes to the broker that the settings
 * name. With `server`, a broker that orderctl runs itself, only the time limits of the settings apply, and the key is
 * that of `server`: other credentials and domains belong to other brokers.
 */
export async function withConnectionTo<T>(
  app: App,
  { server, note }: { server?: OwnServer; note: Note },
  work: (online: Online) => Promise<T>,
): Promise<T> {
  const config = await app.config(server);
  // `work` may run services, which never stop waiting for their broker.
  const patient = { ...config.connection, giveUpMs: Number.POSITIVE_INFINITY };
  const connection = await openConnection(patient, note, app.signal);
  try {
    return await work({ ...onlineWith(app, connection), config: async () => config });
  } finally {
    await connection.close();
  }
}
