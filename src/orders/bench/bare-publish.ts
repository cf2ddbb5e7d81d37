import { createInbox, type NatsConnection } from "nats";
import {
  bareHeaders,
  bodyBytes,
  checkStored,
  connectBare,
  createdSubject,
  createLog,
} from "./bare-client.ts";
import type { Figures } from "./figures.ts";
import { measurePublishing, type Send, type Settle } from "./measure-publishing.ts";
import type { PublishTask } from "./task.ts";

type Way = (client: NatsConnection, body: Uint8Array) => (settle: Settle) => Send;

/** `js.publish()`, used as in the client's documentation. */
const viaClient: Way = (client, body) => {
  const js = client.jetstream();
  return ({ stored, failed }) =>
    (index) =>
      void js
        .publish(createdSubject(index), body, { headers: bareHeaders() })
        .then(() => stored(index), failed);
};

/** Raw publishes whose acknowledgements go to one inbox; the last token of the reply subject is the index. */
const viaInbox: Way = (client, body) => {
  const inbox = createInbox();
  return ({ stored, failed }) => {
    client.subscribe(`${inbox}.*`, {
      callback(error, answer) {
        try {
          checkStored(error, answer);
        } catch (cause) {
          return failed(cause);
        }
        stored(Number(answer.subject.slice(inbox.length + 1)));
      },
    });
    return (index) =>
      client.publish(createdSubject(index), body, { reply: `${inbox}.${index}`, headers: bareHeaders() });
  };
};

/** Stores events with the nats client alone. */
export async function publishBare(task: PublishTask): Promise<Figures> {
  const client = await connectBare(task.connection);
  try {
    await createLog(await client.jetstreamManager());
    const way = task.way === "client" ? viaClient : viaInbox;
    return await measurePublishing(task, way(client, new Uint8Array(bodyBytes)));
  } finally {
    await client.close();
  }
}
