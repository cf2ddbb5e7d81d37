import type { AddressInfo } from "node:net";
import type { FastifyInstance } from "fastify";
import { OrderctlError, systemCode } from "./errors.ts";

export type Place = {
  host: string;
  /** 0 takes a free one. */
  port: number;
  /** What names another port: `--http-port`. */
  flag?: string;
};

export type Listening = {
  /** Without a path. */
  url: string;
  /** Takes no more connections, finishes the requests under way and cuts off what is left after `deadlineMs`. */
  stop(deadlineMs: number): Promise<void>;
};

/** Lets a server listen. Rejects with `conflict` where the port is taken. */
export async function listen(app: FastifyInstance, place: Place): Promise<Listening> {
  let stopping = false;
  app.addHook("onSend", async (_request, reply) => {
    if (stopping) reply.header("connection", "close");
  });
  try {
    await app.listen(place);
  } catch (thrown) {
    throw notListening(thrown, place);
  }
  return {
    url: urlOf(app.server.address() as AddressInfo),
    async stop(deadlineMs) {
      stopping = true;
      const cutOff = setTimeout(() => app.server.closeAllConnections(), deadlineMs);
      await app.close();
      clearTimeout(cutOff);
    },
  };
}

/** Why a server cannot listen: `conflict` where the port is taken, else `usage`; names the flag that helps. */
export function notListening(thrown: unknown, { host, port, flag = "--port" }: Place): OrderctlError {
  const taken = systemCode(thrown) === "EADDRINUSE";
  const reason = thrown instanceof Error ? thrown.message : String(thrown);
  return new OrderctlError(taken ? "conflict" : "usage", `cannot listen on ${host}:${port}: ${reason}`, {
    hint: taken
      ? `something else listens there (another \`orderctl up\`?); choose another port with ${flag}`
      : `choose another address with ${flag.replace("port", "host")} and ${flag}`,
    cause: thrown,
  });
}

export const urlOf = ({ address, family, port }: AddressInfo): string =>
  `http://${family === "IPv6" ? `[${address}]` : address}:${port}`;
