import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { expect, it, onTestFinished } from "vitest";
import { until } from "../support/until.ts";
import { TcpProxy } from "./tcp-proxy.ts";

/** A server that sends back what it is sent, and a proxy before it. */
async function startEcho() {
  const accepted: Socket[] = [];
  const server = createServer((socket) => {
    accepted.push(socket);
    socket.on("error", () => {}).pipe(socket);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const proxy = await TcpProxy.open((server.address() as AddressInfo).port);
  onTestFinished(async () => {
    await proxy.close();
    server.close();
  });
  return { proxy, server, accepted };
}

function open({ port }: TcpProxy) {
  const socket = connect({ port, host: "127.0.0.1" }).on("error", () => {});
  const seen = { text: "", closed: false };
  socket.on("data", (chunk) => {
    seen.text += chunk;
  });
  socket.on("close", () => {
    seen.closed = true;
  });
  return { socket, seen };
}

it("hands on what is sent, both ways", async () => {
  const { proxy } = await startEcho();
  const { socket, seen } = open(proxy);
  socket.write("there and back");
  await until(() => seen.text === "there and back");
});

it("cuts every connection at both ends, counts them, and takes new ones at once", async () => {
  const { proxy, accepted } = await startEcho();
  const both = [open(proxy), open(proxy)];
  await until(() => accepted.length === 2);
  expect(proxy.cut()).toBe(2);
  await until(() => both.every(({ seen }) => seen.closed) && accepted.every(({ destroyed }) => destroyed));
  const { socket, seen } = open(proxy);
  socket.write("again");
  await until(() => seen.text === "again");
});

it("holds up what is sent while it is stalled, on new connections as well, and then hands it on in order", async () => {
  const { proxy, accepted } = await startEcho();
  const early = open(proxy);
  early.socket.write("1");
  await until(() => early.seen.text === "1");
  proxy.stall();
  const late = open(proxy);
  const received = accepted[0]?.bytesRead;
  early.socket.write("2");
  early.socket.write("3");
  late.socket.write("late");
  await until(
    () => accepted.length === 2 && early.socket.bytesWritten === 3 && late.socket.bytesWritten === 4,
  );
  expect(early.seen).toEqual({ text: "1", closed: false });
  expect(accepted.map(({ bytesRead }) => bytesRead)).toEqual([received, 0]);
  proxy.resume();
  await until(() => early.seen.text === "123" && late.seen.text === "late");
});

it("closes a connection whose other end is not there", async () => {
  const { proxy, server } = await startEcho();
  server.close();
  await once(server, "close");
  const { seen } = open(proxy);
  await until(() => seen.closed);
});
