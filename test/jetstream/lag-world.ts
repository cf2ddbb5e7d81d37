import type { Consumer } from "nats";
import type { Connection } from "../../src/jetstream/connection.ts";
import { type ConsumerLag, readLag } from "../../src/jetstream/lag.ts";

/** Streams with a consumer each, which tests fill and read. */
export function lagWorld(connectionOf: () => Connection) {
  /** A stream with two subjects, `<name>.a` and `<name>.b`, and a consumer of the first. */
  async function createStream(name: string): Promise<Consumer> {
    await connectionOf().jsm.streams.add({ name, subjects: [`${name}.>`] });
    const filter_subject = `${name}.a`;
    await connectionOf().jsm.consumers.add(name, {
      durable_name: "reader",
      ack_policy: "explicit" as never,
      filter_subject,
    });
    return connectionOf().nats.jetstream().consumers.get(name, "reader");
  }

  async function publish(subject: string, count: number): Promise<void> {
    for (let index = 0; index < count; index += 1) await connectionOf().nats.jetstream().publish(subject);
  }

  async function take(consumer: Consumer, count: number): Promise<void> {
    for (let index = 0; index < count; index += 1) await (await consumer.next())?.ackAck();
  }

  const lagOf = async (stream: string): Promise<ConsumerLag | undefined> =>
    (await readLag(connectionOf(), { stream, intervalMs: 1 })).consumers[0];

  /** Reads the lag while `work` goes on between the two samples. */
  async function readLagWhile(stream: string, work: () => Promise<void>): Promise<ConsumerLag | undefined> {
    const reading = readLag(connectionOf(), { stream, intervalMs: 600 });
    // Asked for later and answered: so the first sample was taken.
    await connectionOf().jsm.consumers.list(stream).next();
    await work();
    return (await reading).consumers[0];
  }
  return { createStream, publish, take, lagOf, readLagWhile };
}
