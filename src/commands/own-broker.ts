import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findBroker } from "../broker/find-broker.ts";
import { keepBroker } from "../broker/keep-broker.ts";
import type { Broker } from "../broker/start-broker.ts";
import { openConnection } from "../jetstream/connection.ts";
import type { Note } from "../note.ts";
import type { App, Online } from "./act.ts";

export type OwnBroker = {
  port: number;
  /** Where the streams are kept; without one a temporary folder that is removed afterwards. */
  storeDir?: string;
  note: Note;
};

/** Runs `work` against a broker of this command's own, which ends with it, whatever happens. */
export async function withOwnBroker<T>(
  app: App,
  { port, storeDir, note }: OwnBroker,
  work: (
    online: Online,
    broker: Pick<Broker, "url" | "version"> & { source: string; pid(): number },
  ) => Promise<T>,
): Promise<T> {
  const { env, signal } = app;
  const binary = await findBroker({ env, signal, onStep: note });
  const folder = storeDir ?? (await mkdtemp(join(tmpdir(), "orderctl-")));
  try {
    const broker = await keepBroker({ binary, port, storeDir: folder, signal }, note);
    try {
      return await withConnectionTo(app, { server: broker.url, note }, (online) =>
        work(online, { ...broker, source: binary.source }),
      );
    } finally {
      await broker.stop();
    }
  } finally {
    if (storeDir === undefined) await rm(folder, { recursive: true, force: true });
  }
}

/** Runs `work` with a connection to `server`, closed afterwards. */
export async function withConnectionTo<T>(
  app: App,
  { server, note }: { server?: string; note: Note },
  work: (online: Online) => Promise<T>,
): Promise<T> {
  const { connection: settings } = await app.config();
  const place = { ...settings, ...(server ? { servers: [server] } : {}) };
  const connection = await openConnection(place, note, app.signal);
  try {
    return await work({ ...app, connection });
  } finally {
    await connection.close();
  }
}
