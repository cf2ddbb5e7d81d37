// Besides src/jetstream, only this folder may import nats: the bare client is what orderctl is compared with.
import {
  connect,
  DiscardPolicy,
  headers,
  type JetStreamManager,
  type Msg,
  type MsgHdrs,
  type NatsConnection,
} from "nats";
import type { ConnectionConfig } from "../../jetstream/client/connection-config.ts";
import { readCredentials } from "../../jetstream/client/credentials.ts";
import { fromNats } from "../../jetstream/client/nats-error.ts";
import { hopHeader } from "../../telemetry/hop.ts";

/** Connects with the client's default settings; only servers and credentials come from orderctl's configuration. */
export async function connectBare(config: ConnectionConfig): Promise<NatsConnection> {
  const { servers } = config;
  const { authenticator } = readCredentials(config, () => {});
  try {
    return await connect(authenticator ? { servers, authenticator } : { servers });
  } catch (thrown) {
    throw fromNats(thrown, `connect to ${servers.join(", ")}`);
  }
}

/** Creates the order log with the limits that a comparison needs, and without its consumers. */
export async function createLog(jsm: JetStreamManager): Promise<void> {
  await jsm.streams.add({
    name: "ORDERS",
    subjects: ["ORDERS.>"],
    allow_direct: true,
    max_msgs_per_subject: 1,
    discard: DiscardPolicy.New,
    discard_new_per_subject: true,
  });
}

/** Made anew for each message, as in a program whose values differ from message to message. */
export function bareHeaders(): MsgHdrs {
  const made = headers();
  made.set("traceparent", traceparent);
  made.set(hopHeader, hop);
  return made;
}

/**
 * Throws unless the broker's answer to a publish says that it stored the message; this is the cheapest check possible.
 */
export function checkStored(error: Error | null, answer: Msg): void {
  if (error) throw error;
  const text = answer.string();
  if (text.includes('"error"')) throw new Error(`not stored: ${text}`);
}

/** Size in bytes of every message body in a comparison, whichever way stores it. */
export const bodyBytes = 120;

/** The two headers that an event in the log has, with typical values. */
export const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
export const hop = "c=204817;d=1;r=1760000000000417;s=31;e=274";

/** A new object each time: no way may prepare its headers once for all messages. */
export const eventHeaders = (): Record<string, string> => ({ traceparent, [hopHeader]: hop });

export const createdSubject = (index: number): string => `ORDERS.created.o${index}`;
