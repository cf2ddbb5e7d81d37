import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findBroker } from "../../src/broker/find-broker.ts";
import { type Broker, type BrokerStart, startBroker } from "../../src/broker/start-broker.ts";

/**
 * A broker of the test's own. `stop` also removes its data; after `kill`, `restart` takes up the same port and data.
 */
export type TestBroker = Broker & { restart(): Promise<void> };

type Options = Pick<BrokerStart, "port" | "extraConfig" | "noAuth"> & {
  /** Of the nats-server to start, where it is not the one that tests run on. */
  path?: string;
};

export async function startTestBroker({ path, ...options }: Options = {}): Promise<TestBroker> {
  const env = path === undefined ? process.env : { ...process.env, ORDERCTL_NATS_SERVER: path };
  const binary = await findBroker({ env });
  const storeDir = await mkdtemp(join(tmpdir(), "orderctl-test-"));
  const start = { noAuth: true, ...options, binary, storeDir };
  let current = await startBroker(start);
  const { url, nkey, port, version } = current;
  return {
    url,
    nkey,
    port,
    version,
    storeDir,
    get pid() {
      return current.pid;
    },
    get exited() {
      return current.exited;
    },
    kill: () => current.kill(),
    async restart() {
      await current.stop();
      current = await startBroker({ ...start, port });
    },
    async stop() {
      await current.stop();
      await rm(storeDir, { recursive: true, force: true });
    },
  };
}
