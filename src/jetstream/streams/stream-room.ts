import type { StreamInfo } from "nats";
import type { Connection } from "../client/connection.ts";
import { apiErrorOf, apiErrors, fromNats } from "../client/nats-error.ts";

/** How much more a stream takes until a limit, its own or that of its account's file storage, refuses messages. */
export type Room = { limit: "max_msgs" | "max_bytes" | "account"; of: "messages" | "bytes"; left: number };

/** What a stream holds, on one replica, and what is known of its limits; empty where it has none. */
export type Filling = { messages: number; bytes: number; rooms: Room[] };

/** Undefined where there is no such stream. */
export async function readFilling(connection: Connection, stream: string): Promise<Filling | undefined> {
  try {
    const info = await connection.jsm.streams.info(stream);
    const { messages, bytes } = info.state;
    return { messages, bytes, rooms: [...ownRooms(info), ...(await accountRoom(connection, info))] };
  } catch (thrown) {
    if (apiErrorOf(thrown) === apiErrors.streamNotFound) return undefined;
    throw fromNats(thrown, `read stream ${stream}`);
  }
}

function ownRooms({ config, state }: StreamInfo): Room[] {
  const { max_msgs = -1, max_bytes = -1 } = config;
  const rooms: Room[] = [
    { limit: "max_msgs", of: "messages", left: max_msgs < 0 ? -1 : Math.max(0, max_msgs - state.messages) },
    { limit: "max_bytes", of: "bytes", left: max_bytes < 0 ? -1 : Math.max(0, max_bytes - state.bytes) },
  ];
  return rooms.filter(({ left }) => left >= 0);
}

/** Connections whose user may not read its account. They ask once, since each refusal is a line in the server's log. */
const refused = new WeakSet<Connection>();

/** An account without tiers counts every replica. Nothing is known of one with tiers, or that this user may not read. */
async function accountRoom(connection: Connection, { config }: StreamInfo): Promise<Room[]> {
  if (refused.has(connection)) return [];
  try {
    const { limits, storage, tiers } = await connection.jsm.getAccountInfo();
    if (tiers || limits.max_storage <= 0) return [];
    const left = Math.max(0, limits.max_storage - storage) / Math.max(1, config.num_replicas);
    return [{ limit: "account", of: "bytes", left: Math.floor(left) }];
  } catch (thrown) {
    if (fromNats(thrown, "read the account").code === "denied") refused.add(connection);
    return [];
  }
}
