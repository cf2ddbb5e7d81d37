import type { Consumer } from "nats";
import { afterAll, beforeAll } from "vitest";
import type { Connection } from "../../../src/jetstream/client/connection.ts";
import { type ConsumerLag, readLag } from "../../../src/jetstream/streams/lag.ts";
import { openTestConnection } from "../../support/open-test-connection.ts";
import { startTestBroker, type TestBroker } from "../../support/start-test-broker.ts";

/** A broker for the tests of one file, and streams with a consumer each, which they fill and read. */
export function lagWorld() {
  let broker: TestBroker;
  let connection: Connection;

  beforeAll(async () => {
    broker = await startTestBroker();
    connection = await openTestConnection(broker.url);
  });

  afterAll(async () => {
    await connection.close();
    await broker.stop();
  });

  /** A stream with two subjects, `<name>.a` and `<name>.b`, and a consumer of the first. */
  async function createStream(name: string): Promise<Consumer> {
    await connection.jsm.streams.add({ name, subjects: [`${name}.>`] });
    const filter_subject = `${name}.a`;
    await connection.jsm.consumers.add(name, {
      durable_name: "reader",
      ack_policy: "explicit" as never,
      filter_subject,
    });
    return connection.nats.jetstream().consumers.get(name, "reader");
  }

  async function publish(subject: string, count: number): Promise<void> {
    for (let index = 0; index < count; index += 1) await connection.nats.jetstream().publish(subject);
  }

  async function take(consumer: Consumer, count: number): Promise<void> {
    for (let index = 0; index < count; index += 1) await (await consumer.next())?.ackAck();
  }

  const lagOf = async (stream: string): Promise<ConsumerLag | undefined> =>
    (await readLag(connection, { stream, intervalMs: 1 })).consumers[0];

  /** Reads the lag while `work` goes on between the two samples. */
  async function readLagWhile(stream: string, work: () => Promise<void>): Promise<ConsumerLag | undefined> {
    const reading = readLag(connection, { stream, intervalMs: 600 });
    // Asked for later and answered: so the first sample was taken.
    await connection.jsm.consumers.list(stream).next();
    await work();
    return (await reading).consumers[0];
  }
  return { connectionOf: () => connection, createStream, publish, take, lagOf, readLagWhile };
}
