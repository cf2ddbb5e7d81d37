import type { IncomingMessage, Server } from "node:http";
import type { Socket } from "node:net";

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
      if (!longest) return refuse(socket);
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

function refuse(socket: Socket): void {
  socket.write(
    "HTTP/1.1 503 Too many connections\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
  );
  socket.destroySoon();
}
