import { once } from "node:events";
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
  STATUS_CODES,
} from "node:http";
import { type AddressInfo, isIP, type Socket } from "node:net";
import { hostname } from "node:os";
import type { FastifyInstance } from "fastify";
import { OrderctlError, systemCode } from "./errors.ts";

export type Place = HostRules & {
  /** 0 picks a free port. */
  port: number;
  /** The command line flag that sets the port, such as `--http-port`; named in hints. */
  flag?: string;
};

export type Listening = {
  /** Scheme, address and port, without a path. */
  url: string;
  /** Accepts no more connections, lets the requests under way finish and cuts off what is left after `deadlineMs`. */
  stop(deadlineMs: number): Promise<void>;
};

/** The `serverFactory` option of fastify: makes the HTTP server for fastify's request handler. */
export type ServerFactory = (handler: RequestListener) => Server;

/** The limits of each server, so that no client holds a connection by being slow; times in ms. */
const limits = {
  headersTimeout: 5000,
  requestTimeout: 30_000,
  // Longer than load balancers keep idle connections, so that they close them first.
  keepAliveTimeout: 65_000,
  connectionsCheckingInterval: 1000,
  maxHeaderSize: 16 * 1024,
};
const silenceMs = 120_000;
const maxConnections = 1000;
/** How long a stopping server waits for requests that have not arrived in full. */
const unreadMs = 1500;

/**
 * Starts the fastify app that `build` makes around the given server. Rejects with `conflict` when the port is taken,
 * else with `usage`.
 */
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

/** Like `listen`, for a plain request handler without fastify. */
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
  /**
   * Closes the servers that the factory made by calling `close`; cuts off connections that are left after `deadlineMs`.
   */
  closeWithin(deadlineMs: number, close: () => PromiseLike<unknown>): Promise<void>;
};

/**
 * Makes servers that answer only requests addressed to one of their own names, with limits for connections that send
 * nothing.
 */
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

/**
 * Answers with an RFC 9457 problem; `message` repeats the detail for callers of the collector and the gateway, who read
 * it there.
 */
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

/**
 * The error for a server that cannot listen: `conflict` when the port is taken, else `usage`; the hint names the flag
 * to change.
 */
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

export type ConnectionCap = {
  /** Closes every connection whose request has not arrived in full, and every idle one. */
  dropUnread(): void;
};

/**
 * Keeps a server at `most` connections. One more replaces the connection that has waited longest without sending a
 * whole request, so that a client that opens many connections and sends nothing locks nobody out. When every connection
 * has a request being answered, the new one gets a 503.
 */
export function capConnections(server: Server, most: number): ConnectionCap {
  /** Each connection with its current request; the one that has waited longest is first. */
  const open = new Map<Socket, IncomingMessage | undefined>();
  const drop = (socket: Socket) => {
    open.delete(socket);
    socket.destroy();
  };
  const unread = function* () {
    for (const [socket, request] of open) if (!request?.complete) yield socket;
  };
  server.on("connection", (socket: Socket) => {
    if (open.size >= most) {
      const { value: longest } = unread().next();
      if (!longest) return refuseConnection(socket);
      drop(longest);
    }
    open.set(socket, undefined);
    socket.once("close", () => open.delete(socket));
  });
  server.on("request", (request, response) => {
    const { socket } = request;
    if (!open.has(socket)) return;
    open.set(socket, request);
    response.once("close", () => {
      if (open.get(socket) !== request) return;
      open.delete(socket);
      open.set(socket, undefined);
    });
  });
  return {
    dropUnread() {
      for (const socket of [...unread()]) drop(socket);
    },
  };
}

function refuseConnection(socket: Socket): void {
  socket.write(
    "HTTP/1.1 503 Too many connections\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
  );
  socket.destroySoon();
}

export type HostRules = {
  /** The address that the server listens on. */
  host: string;
  /** Further names that clients may use for the server, such as those of a proxy or a service. */
  allowedHosts?: readonly string[] | undefined;
};

/** Why a request is refused; `code` is for programs. */
export type HostRefusal = { status: 400 | 403 | 421; code: string; detail: string };

/** `localhost`, 127.0.0.0/8 or ::1, with brackets or without. */
export const isLoopback = (host: string): boolean => /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/i.test(host);

/**
 * Returns a check that refuses requests that a web page makes a browser send here: under a host name of the page's own
 * that resolves to this server (DNS rebinding), or as a cross-site write. The server's own names are loopback, the host
 * that it listens on and `allowedHosts`. A server that listens beyond loopback also accepts this machine's name and any
 * IP address: a page can have an IP address as its host only if it was served from there.
 */
export function createHostCheck({
  host,
  allowedHosts = [],
}: HostRules): (request: IncomingMessage) => HostRefusal | undefined {
  const isOpen = !isLoopback(host);
  const names = new Set([host, ...allowedHosts, ...(isOpen ? [hostname()] : [])].map(bare));
  const isKnown = (authority: string): boolean => {
    const name = bare(authority.replace(/:\d*$/, ""));
    return name !== "" && (isLoopback(name) || names.has(name) || (isOpen && isIP(name) !== 0));
  };
  const isOwn = (origin: string): boolean => URL.canParse(origin) && isKnown(new URL(origin).host);
  return (request) => {
    const called = authoritiesOf(request);
    if ((request.headersDistinct.host ?? []).length > 1) return severalHosts;
    const strange = called.find((each) => !isKnown(each));
    if (strange !== undefined) return unknownHost(strange);
    const origin = writerOf(request);
    return origin === undefined || isOwn(origin) ? undefined : foreignOrigin(origin);
  };
}

/**
 * The hosts that a request names: in `Host`, and once more in a target like `GET http://host/path`. An HTTP/1.0 request
 * may name none, but no browser sends those.
 */
function authoritiesOf({ headers, url = "" }: IncomingMessage): string[] {
  const target = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(url)?.[1];
  return [headers.host, target].filter((each) => each !== undefined);
}

const safeMethods: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

/**
 * The origin of the page for which a browser sends a write; undefined for reads and for clients that are not browsers.
 */
const writerOf = ({ headers, method = "" }: IncomingMessage): string | undefined =>
  safeMethods.has(method) ? undefined : headers.origin;

const bare = (name: string): string =>
  name
    .toLowerCase()
    .replace(/^\[(.*)\]$/, "$1")
    .replace(/\.$/, "");

const severalHosts: HostRefusal = { status: 400, code: "bad_request", detail: "more than one Host" };

const maxShown = 100;

const unknownHost = (host: string): HostRefusal => ({
  status: 421,
  code: "unknown_host",
  detail: `this server is not known as ${JSON.stringify(host.slice(0, maxShown))}; --allow-host <name> lets it be called so`,
});

const foreignOrigin = (origin: string): HostRefusal => ({
  status: 403,
  code: "foreign_origin",
  detail: `a page of ${JSON.stringify(origin.slice(0, maxShown))} may not write here; --allow-host <name> lets the pages of that host`,
});
