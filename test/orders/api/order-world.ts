import type { Listening } from "../../../src/core/listening.ts";
import type { ArchivedKeys } from "../../../src/flow/archived-log.ts";
import { flowTopology } from "../../../src/flow/flow-topology.ts";
import { lookUpKeys } from "../../../src/flow/look-up-keys.ts";
import { type Connection, openConnection } from "../../../src/jetstream/client/connection.ts";
import { Publisher } from "../../../src/jetstream/publish/publisher.ts";
import { applyTopology } from "../../../src/jetstream/streams/apply-topology.ts";
import { createOrderStore } from "../../../src/orders/api/log-order-store.ts";
import { openOrderApi } from "../../../src/orders/api/order-api.ts";
import { orderShape } from "../../../src/orders/flow.ts";
import { MemoryArchive } from "../../support/memory-archive.ts";
import { startTestBroker, type TestBroker } from "../../support/start-test-broker.ts";

export type Answer = { status: number; headers: Headers; body: Record<string, never> };

/** An order API on a broker of its own. `notes` is what the operator was told. */
export type OrderWorld = {
  broker: TestBroker;
  connection: Connection;
  publisher: Publisher;
  archive: MemoryArchive;
  api: Listening;
  notes: string[];
  post(order: unknown, headers?: Record<string, string>): Promise<Answer>;
  get(path: string): Promise<Answer>;
  close(): Promise<void>;
};

type Setting = {
  patienceMs?: number;
  window?: number;
  broker?: Promise<TestBroker>;
  keysOf?: (archive: MemoryArchive) => ArchivedKeys;
};

export async function openOrderWorld({
  patienceMs = 10_000,
  window = 256,
  broker: starting = startTestBroker(),
  keysOf = ({ log }) => lookUpKeys(log),
}: Setting = {}): Promise<OrderWorld> {
  const broker = await starting;
  const connection = await openConnection({
    servers: [broker.url],
    name: "test",
    connectTimeoutMs: 5000,
    reconnectWaitMs: 50,
    patienceMs: 0,
    timeoutMs: 5000,
  });
  await applyTopology(connection, flowTopology(orderShape));
  const publisher = new Publisher(connection, { window });
  const archive = new MemoryArchive(connection);
  const orders = createOrderStore(
    { connection, archive, archivedKeys: keysOf(archive), publisher },
    { service: "order", instance: "host-1" },
  );
  const notes: string[] = [];
  const note = (text: string) => void notes.push(text);
  const api = await openOrderApi({ host: "127.0.0.1", port: 0, orders, note, patienceMs });
  return {
    broker,
    connection,
    publisher,
    archive,
    api,
    notes,
    post: (order, headers = {}) =>
      send(`${api.url}/orders`, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: typeof order === "string" ? order : JSON.stringify(order),
      }),
    get: (path) => send(`${api.url}${path}`),
    async close() {
      await api.stop(1000);
      publisher.close();
      await connection.close();
      await broker.stop();
    },
  };
}

export async function send(url: string, init?: RequestInit): Promise<Answer> {
  const { status, headers, ...response } = await fetchText(url, init);
  return { status, headers, body: JSON.parse(response.text) };
}

async function fetchText(url: string, init?: RequestInit) {
  const response = await fetch(url, { ...init, signal: AbortSignal.timeout(15_000) });
  return { status: response.status, headers: response.headers, text: await response.text() };
}
