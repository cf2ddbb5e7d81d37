import { once } from "node:events";
import {
  createServer,
  type RequestListener,
  type Server,
  type ServerResponse,
  STATUS_CODES,
} from "node:http";
import type { AddressInfo } from "node:net";
import type { FastifyInstance } from "fastify";
import { type ConnectionCap, capConnections } from "./connection-cap.ts";
import { OrderctlError, systemCode } from "./errors.ts";
import { createHostCheck, type HostRefusal, type HostRules } from "./host-check.ts";

export type Place = HostRules & {
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

/** How fastify is told which server to use. */
export type ServerFactory = (handler: RequestListener) => Server;

/** Of each server. Nobody holds a connection by being slow: times in ms. */
const limits = {
  headersTimeout: 5000,
  requestTimeout: 30_000,
  // Longer than load balancers keep theirs.
  keepAliveTimeout: 65_000,
  connectionsCheckingInterval: 1000,
  maxHeaderSize: 16 * 1024,
};
const silenceMs = 120_000;
const maxConnections = 1000;
/** For requests that have not come whole when the server is stopped. */
const unreadMs = 1500;

/** Lets what `build` makes around the server listen. Rejects with `conflict` where the port is taken. */
export async function listen(
  place: Place,
  build: (serverFactory: ServerFactory) => FastifyInstance,
): Promise<Listening> {
  const { serverFactory, closeWithin } = guardServers(place);
  const app = build(serverFactory);
  let stopping = false;
  app.addHook("onSend", async (_request, reply) => {
    if (stopping) reply.header("connection", "close");
  });
  try {
    await app.listen({ host: place.host, port: place.port });
  } catch (thrown) {
    throw notListening(thrown, place);
  }
  return {
    url: urlOf(app.server.address() as AddressInfo),
    stop(deadlineMs) {
      stopping = true;
      return closeWithin(deadlineMs, () => app.close());
    },
  };
}

/** The same for a server that needs no more than a handler. */
export async function listenPlainly(place: Place, handler: RequestListener): Promise<Listening> {
  const { serverFactory, closeWithin } = guardServers(place);
  const server = serverFactory(handler);
  try {
    server.listen(place.port, place.host);
    await once(server, "listening");
  } catch (thrown) {
    throw notListening(thrown, place);
  }
  const close = async () => {
    const closed = once(server, "close");
    server.close();
    await closed;
  };
  return {
    url: urlOf(server.address() as AddressInfo),
    stop: (deadlineMs) => closeWithin(deadlineMs, close),
  };
}

type Guard = {
  serverFactory: ServerFactory;
  /** Closes what the factory made, with `close`. */
  closeWithin(deadlineMs: number, close: () => PromiseLike<unknown>): Promise<void>;
};

/** Servers that answer only who calls them by their name, with limits for connections that send nothing. */
function guardServers(place: Place): Guard {
  const check = createHostCheck(place);
  const made: { server: Server; cap: ConnectionCap }[] = [];
  return {
    serverFactory(handler) {
      const server = createServer(limits, (request, response) => {
        const refusal = check(request);
        if (refusal) refuse(response, refusal);
        else handler(request, response);
      });
      server.timeout = silenceMs;
      made.push({ server, cap: capConnections(server, maxConnections) });
      return server;
    },
    async closeWithin(deadlineMs, close) {
      const dropUnread = () => made.forEach(({ cap }) => void cap.dropUnread());
      const cutOff = () => made.forEach(({ server }) => void server.closeAllConnections());
      const timers = [setTimeout(dropUnread, Math.min(unreadMs, deadlineMs)), setTimeout(cutOff, deadlineMs)];
      await close();
      for (const timer of timers) clearTimeout(timer);
    },
  };
}

/** A problem as RFC 9457 writes it; `message` is where callers of the collector and the gateway look. */
function refuse(response: ServerResponse, { status, code, detail }: HostRefusal): void {
  const title = STATUS_CODES[status];
  const body = JSON.stringify({ type: "about:blank", title, status, detail, message: detail, code });
  response.writeHead(status, {
    "content-type": "application/problem+json",
    "content-length": Buffer.byteLength(body),
    connection: "close",
  });
  response.end(body);
}

/** Why a server cannot listen: `conflict` where the port is taken, else `usage`; names the flag that helps. */
function notListening(thrown: unknown, { host, port, flag = "--port" }: Place): OrderctlError {
  const taken = systemCode(thrown) === "EADDRINUSE";
  const reason = thrown instanceof Error ? thrown.message : String(thrown);
  return new OrderctlError(taken ? "conflict" : "usage", `cannot listen on ${host}:${port}: ${reason}`, {
    hint: taken
      ? `something else listens there (another \`orderctl up\`?); choose another port with ${flag}`
      : `choose another address with ${flag.replace("port", "host")} and ${flag}`,
    cause: thrown,
  });
}

const urlOf = ({ address, family, port }: AddressInfo): string =>
  `http://${family === "IPv6" ? `[${address}]` : address}:${port}`;
