import { availableParallelism } from "node:os";
import { OrderctlError } from "../../core/errors.ts";
import { archiveBucket, flowsBucket, flowTopology } from "../../flow/flow-topology.ts";
import type { Connection } from "../../jetstream/client/connection.ts";
import type { ConnectionConfig } from "../../jetstream/client/connection-config.ts";
import { readDrift } from "../../jetstream/streams/apply-topology.ts";
import { orderShape } from "../flow.ts";
import { reflectedStream } from "./reflected-flow.ts";

/** The broker on which everything is measured, and the callback that gets notes. */
export type Environment = {
  /** Used to clear the broker between two runs. */
  connection: Connection;
  /** Connection settings for the measured processes. */
  config: ConnectionConfig;
  /** Process id of the broker, if known. */
  brokerPid: number | null;
  signal: AbortSignal;
  note: (text: string) => void;
};

/** The versions and the machine that a comparison ran on. */
export type Machine = { node: string; natsServer: string; cores: number };

export const machineOf = ({ connection }: Environment): Machine => ({
  node: process.version,
  natsServer: connection.version,
  cores: availableParallelism(),
});

const ofOrders = flowTopology(orderShape).streams;
/** Whether one is there is all that is asked of them. */
const streams = [
  ...ofOrders,
  ...[reflectedStream, `KV_${archiveBucket(reflectedStream)}`, `KV_${flowsBucket}`].map((name) => ({
    ...ofOrders[0],
    name,
  })),
];

/**
 * Runs `work` on a broker without order log and stock, and removes what it left there. Throws `conflict` if the broker
 * has an order log or stock already: nothing is deleted that was not made here.
 */
export async function withEmptyBroker<T>(environment: Environment, work: () => Promise<T>): Promise<T> {
  const { server } = environment.connection;
  const found = await findStreams(environment);
  if (found.length > 0) {
    throw new OrderctlError("conflict", `the broker at ${server} already has ${found.join(" and ")}`, {
      hint: "name a broker without them, or leave --server away: bench then brings one of its own",
    });
  }
  try {
    return await work();
  } finally {
    await clearBroker(environment);
  }
}

/** Deletes the order log and the stock, so that every run starts without them. */
export async function clearBroker(environment: Environment): Promise<void> {
  for (const name of await findStreams(environment)) await environment.connection.jsm.streams.delete(name);
}

async function findStreams({ connection }: Environment): Promise<string[]> {
  const drifts = await readDrift(connection, { streams, consumers: [] });
  const missing = drifts.filter(({ setting }) => setting === "*").map(({ name }) => name);
  return streams.map(({ name }) => name).filter((name) => !missing.includes(name));
}
