import { nanos } from "nats";
import { onTestFinished } from "vitest";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { Worker } from "../../src/jetstream/consume/worker.ts";
import type { Processor, WorkerOptions } from "../../src/jetstream/consume/worker-options.ts";
import { Publisher } from "../../src/jetstream/publish/publisher.ts";
import { createLog, textTo } from "../jetstream/streams/subject-log.ts";

type QueueOptions = { count?: number; ackWaitMs?: number };

const consumer = "worker";

/** A stream `name` with `count` messages `name.0`, `name.1` … and the durable consumer that workers pull from. */
export async function createQueue(
  connection: Connection,
  name: string,
  { count = 0, ackWaitMs = 30_000 }: QueueOptions = {},
) {
  await createLog(connection, name);
  await connection.jsm.consumers.add(name, {
    durable_name: consumer,
    ack_policy: "explicit" as never,
    ack_wait: nanos(ackWaitMs),
    max_ack_pending: 20_000,
  });
  const publisher = new Publisher(connection);
  const all = Array.from({ length: count }, (_, index) => publisher.publish(textTo(`${name}.${index}`)));
  await Promise.all(all);
  publisher.close();
  return {
    /** Undelivered and unacknowledged messages. */
    async state() {
      const info = await connection.jsm.consumers.info(name, consumer);
      return { pending: info.num_pending, ackPending: info.num_ack_pending };
    },
    /** Pulls that wait for a message. */
    async waiting() {
      return (await connection.jsm.consumers.info(name, consumer)).num_waiting;
    },
    async isDone() {
      const { pending, ackPending } = await this.state();
      return pending + ackPending === 0;
    },
  };
}

type Start = Partial<WorkerOptions> & { connection: Connection; stream: string };

/** A worker with its own publisher that is stopped with the test. */
export function startWorker({ connection, ...options }: Start, process: Processor): Worker {
  const publisher = new Publisher(connection, { ackWaitMs: 2000, backoffMs: 20 });
  const settings = { consumer, concurrency: 8, ackWaitMs: 30_000, backoffMs: 50, note: () => {}, ...options };
  const worker = new Worker({ connection, publisher }, settings, process);
  onTestFinished(async () => {
    // Rejects where the test has stopped it already or has closed its connection.
    await worker.stop(0).catch(() => undefined);
    publisher.close();
  });
  return worker;
}
