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

export type ConnectionCap = {
  /** Closes every connection whose request has not come whole, and those that wait for another one. */
  dropUnread(): void;
};

/**
 * Keeps a server at `most` connections. One more takes the place of the one that has waited longest without having sent a
 * whole request, so that whoever opens many and says nothing shuts nobody out; where all are being answered, it is
 * told 503.
 */
export function capConnections(server: Server, most: number): ConnectionCap {
  /** Each with the request that it is at; who has waited longest is first. */
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
  /** Where the server listens. */
  host: string;
  /** Further names under which it is called: of a proxy, of a service. */
  allowedHosts?: readonly string[] | undefined;
};

/** Why a request is not answered; `code` is for programs. */
export type HostRefusal = { status: 400 | 403 | 421; code: string; detail: string };

/** `localhost`, 127.0.0.0/8 or ::1, with brackets or without. */
export const isLoopback = (host: string): boolean => /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/i.test(host);

/**
 * Tells requests that are meant for this server from those that a web page has a browser make: under a name of the
 * page's own that it lets point here (DNS rebinding), or as a write across sites. Loopback, the host that the server
 * listens on and `allowedHosts` are its names. A server that listens beyond loopback is also known by this machine's name
 * and by any IP address, which no page can have as its own without being there.
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

/** `GET http://host/path` names the server once more. HTTP/1.0 need not name it at all, but no browser speaks that. */
function authoritiesOf({ headers, url = "" }: IncomingMessage): string[] {
  const target = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(url)?.[1];
  return [headers.host, target].filter((each) => each !== undefined);
}

const safeMethods: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

/** The site of the page that writes, where a browser sends the request for one. */
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
