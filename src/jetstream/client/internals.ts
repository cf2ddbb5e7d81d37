import type { Msg, NatsConnection } from "nats";
import type { MsgImpl } from "nats/lib/nats-base-client/msg.js";
import type { NatsConnectionImpl } from "nats/lib/nats-base-client/nats.js";

export type { MsgArg, Parser } from "nats/lib/nats-base-client/parser.js";

/** What this program uses of the client that the client does not promise: all of it here, for the day that another takes its place. */
export const innerConnection = (nats: NatsConnection): NatsConnectionImpl => nats as NatsConnectionImpl;

/** A message as it came, in bytes. */
export const innerMessage = (message: Msg): MsgImpl => message as MsgImpl;
