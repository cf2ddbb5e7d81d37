import { AckPolicy, createInbox, type JetStreamClient, type JsMsg, type NatsConnection } from "nats";
import {
  bareHeaders,
  bodyBytes,
  checkStored,
  connectBare,
  createdSubject,
  createLog,
} from "./bare-client.ts";
import { feed } from "./feed.ts";
import type { Figures } from "./figures.ts";
import { FlowMeter, nowMs } from "./flow-meter.ts";
import type { GenerateTask, Tell, WorkTask } from "./task.ts";

const kinds = ["created", "payments", "reservations", "shipments", "notifications"] as const;

type Publish = (subject: string, body: Uint8Array, onStored: () => void) => void;

/** Raw publishes whose acknowledgements go to one inbox, matched by the token at the end of the reply subject. */
function openPublisher(client: NatsConnection, failed: (cause: unknown) => void): Publish {
  const inbox = createInbox();
  const pending = new Map<string, () => void>();
  let counter = 0;
  client.subscribe(`${inbox}.*`, {
    callback(error, answer) {
      try {
        checkStored(error, answer);
      } catch (cause) {
        return failed(cause);
      }
      const token = answer.subject.slice(inbox.length + 1);
      const onStored = pending.get(token);
      pending.delete(token);
      onStored?.();
    },
  });
  return (subject, body, onStored) => {
    counter += 1;
    const token = counter.toString(36);
    pending.set(token, onStored);
    client.publish(subject, body, { reply: `${inbox}.${token}`, headers: bareHeaders() });
  };
}

/** Publishes orders that hold nothing but the time at which they were made. */
export async function generateBare(task: GenerateTask): Promise<null> {
  const client = await connectBare(task.connection);
  try {
    await feed(task, ({ stored, failed }) => {
      const publish = openPublisher(client, failed);
      return (index) => {
        const body = Buffer.alloc(bodyBytes);
        body.writeDoubleLE(nowMs());
        publish(createdSubject(index), body, stored);
      };
    });
    return null;
  } finally {
    await client.close();
  }
}

/**
 * Passes each order from stage to stage without decoding it: stores the next message first, then acknowledges the
 * delivery.
 */
export async function workBare(task: WorkTask, tell: Tell): Promise<Figures> {
  const client = await connectBare(task.connection);
  try {
    const jsm = await client.jetstreamManager();
    await createLog(jsm);
    const meter = new FlowMeter(task);
    const js = client.jetstream();
    let failed: (cause: unknown) => void = () => {};
    const failure = new Promise<never>((_, reject) => {
      failed = reject;
    });
    const publish = openPublisher(client, failed);
    for (const [stage, kind] of kinds.slice(0, task.stages).entries()) {
      await jsm.consumers.add("ORDERS", {
        durable_name: kind,
        ack_policy: AckPolicy.Explicit,
        filter_subject: `ORDERS.${kind}.*`,
        max_ack_pending: 5000,
      });
      const last = stage === task.stages - 1;
      await consume(js, { kind, next: kinds[stage + 1] ?? "", last }, { publish, meter });
    }
    tell.ready();
    return await Promise.race([meter.finished, failure]);
  } finally {
    await client.close();
  }
}

type Stage = { kind: string; next: string; last: boolean };

async function consume(
  js: JetStreamClient,
  { kind, next, last }: Stage,
  { publish, meter }: { publish: Publish; meter: FlowMeter },
): Promise<void> {
  const consumer = await js.consumers.get("ORDERS", kind);
  const callback = (message: JsMsg) => {
    meter.delivered();
    publish(`ORDERS.${next}.${message.subject.split(".")[2]}`, message.data, () => {
      message.ack();
      if (last) meter.stored(readCreatedAtMs(message.data));
    });
  };
  await consumer.consume({ max_messages: 1000, callback });
}

const readCreatedAtMs = ({ buffer, byteOffset, length }: Uint8Array): number =>
  Buffer.from(buffer, byteOffset, length).readDoubleLE();
