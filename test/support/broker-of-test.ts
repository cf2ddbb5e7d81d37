import { onTestFinished } from "vitest";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { openTestConnection } from "./open-test-connection.ts";
import { startTestBroker, type TestBroker } from "./start-test-broker.ts";

/** A broker and a connection to it, until the end of the test. */
export async function brokerOfTest(path?: string): Promise<{ broker: TestBroker; connection: Connection }> {
  const broker = await startTestBroker(path === undefined ? {} : { path });
  onTestFinished(() => broker.stop());
  const connection = await openTestConnection(broker.url);
  onTestFinished(() => connection.close());
  return { broker, connection };
}
