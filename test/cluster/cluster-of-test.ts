import type { TestContext } from "vitest";
import { findBroker } from "../../src/broker/find-broker.ts";
import { isOlder } from "../../src/core/compare-versions.ts";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { Publisher } from "../../src/jetstream/publish/publisher.ts";
import { applyTopology } from "../../src/jetstream/streams/apply-topology.ts";
import { hastyTopology } from "../flow/hasty-topology.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { startTestCluster, type TestCluster, type TestNode } from "../support/start-test-cluster.ts";

const { version } = await findBroker({ env: process.env });

/** On such a server orderctl refuses several replicas: what needs them is skipped there. */
export const refusesReplicas = isOlder(version, "2.9.21");

/** Tests that run side by side end what they started through their own context. */
export type Context = Pick<TestContext, "onTestFinished">;

/** A cluster until the end of the test. */
export async function clusterOf({ onTestFinished }: Context): Promise<TestCluster> {
  const cluster = await startTestCluster();
  onTestFinished(() => cluster.stop());
  return cluster;
}

/** A connection to one of the nodes, until the end of the test; it learns of the others, and goes on with them. */
export async function connectTo(
  { onTestFinished }: Context,
  nodes: readonly TestNode[],
  timeoutMs = 2000,
): Promise<Connection> {
  const settings = { servers: nodes.map(({ url }) => url), connectTimeoutMs: 1000, timeoutMs };
  const connection = await openTestConnection("", settings);
  onTestFinished(() => connection.close());
  return connection;
}

export function publisherOf({ onTestFinished }: Context, connection: Connection): Publisher {
  const publisher = new Publisher(connection);
  onTestFinished(() => publisher.close());
  return publisher;
}

/** The pipeline's own topology on all three, but what a dead leader was told last comes again after 4 s already. */
export async function applyHastyTopology(connection: Connection): Promise<void> {
  await applyTopology(connection, hastyTopology(4000, 3));
}
