import { findBroker } from "../src/broker/find-broker.ts";

/** Runs once before all tests: the first broker they use is installed by the project itself. */
export async function setup(): Promise<void> {
  const { path } = await findBroker({ env: process.env });
  process.env.ORDERCTL_NATS_SERVER = path;
}
