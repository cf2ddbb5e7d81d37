import type { Msg, NatsConnection } from "nats";
import type { MsgImpl } from "nats/lib/nats-base-client/msg.js";
import type { NatsConnectionImpl } from "nats/lib/nats-base-client/nats.js";

export type { MsgArg, Parser } from "nats/lib/nats-base-client/parser.js";

/**
 * The connection with the client's internals, which the client does not promise to keep. All access to internals goes
 * through this file, so that a change of the client affects one place.
 */
export const innerConnection = (nats: NatsConnection): NatsConnectionImpl => nats as NatsConnectionImpl;

/** A message with the client's internals: its bytes as they came. */
export const innerMessage = (message: Msg): MsgImpl => message as MsgImpl;
