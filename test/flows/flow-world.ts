import { loadProto } from "../../src/flow/define/load-proto.ts";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { type Ran, runCommand } from "../support/run-command.ts";
import { startTestBroker, type TestBroker } from "../support/start-test-broker.ts";
import { type Launched, launch } from "../support/supervised.ts";
import { until } from "../support/until.ts";

export type FlowWorld = {
  broker: TestBroker;
  connection: Connection;
  /** Serves in a process of its own. */
  serve(words: string): Promise<Launched>;
  run(words: string | string[], of?: { flow: string }): Promise<Ran>;
  /** Stores what another program might: an event of a protobuf type of the flow's files. */
  storeByHand(subject: string, fields: object, type: string): Promise<void>;
  close(): Promise<void>;
};

/** A broker, and commands on it that are about the flow of a module. */
export async function createFlowWorld(module: string): Promise<FlowWorld> {
  const broker = await startTestBroker();
  const connection = await openTestConnection(broker.url);
  const serving: Launched[] = [];
  return {
    broker,
    connection,
    async serve(words) {
      const launched = launch(`serve ${words} --flow ${module} --server ${broker.url}`);
      serving.push(launched);
      await until(() => launched.stdout().includes("\n"), 30_000);
      return launched;
    },
    run(words, { flow } = { flow: module }) {
      const argv = typeof words === "string" ? words.split(/ +/) : words;
      return runCommand([...argv, "--flow", flow, "--server", broker.url]);
    },
    async storeByHand(subject, fields, type) {
      const root = await loadProto(["fixtures/flows/claims/claims.proto"]);
      const message = root.lookupType(type);
      await connection.nats.jetstream().publish(subject, message.encode(message.fromObject(fields)).finish());
    },
    async close() {
      await Promise.all(serving.map((each) => each.stop("SIGKILL")));
      await connection.close();
      await broker.stop();
    },
  };
}
