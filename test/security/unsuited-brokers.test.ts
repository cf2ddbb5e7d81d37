import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer, type Socket } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { runCommand } from "../support/run-command.ts";
import { everyCommand } from "./every-command.ts";
import { serverOfTest, servers } from "./secured-broker.ts";

/** Something that listens on loopback and answers as `talk` does. */
async function listen(talk: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    talk(socket);
  });
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** The least that a client takes for a nats-server. */
const natsServer = (version: string) => (socket: Socket) => {
  socket.write(
    `INFO ${JSON.stringify({ server_id: "X", version, proto: 1, max_payload: 1e6, headers: true })}\r\n`,
  );
  socket.on("data", (chunk) => {
    for (const _ of String(chunk).matchAll(/^PING\r$/gm)) socket.write("PONG\r\n");
  });
};

const whatToTry = "is it a nats-server? one that begins with TLS needs --tls-first; --server names another";

describe("a broker that is too old", () => {
  it.each(["2.8.0", "2.9.9", "1.4.1"])("ends every command: %s", async (version) => {
    const place = await listen(natsServer(version));
    for (const command of everyCommand) {
      expect(await runCommand(`${command} -s nats://${place}`)).toMatchObject({
        exitCode: 3,
        stdout: "",
        stderr: `error: nats-server ${version} at nats://${place} is too old: 2.9.10 is the oldest supported\n  update it, or start one with \`orderctl broker start\`; --server names another\n`,
      });
    }
  });

  it.each(["2.9.10", "2.10.0-RC.1", "2.10.0", "3.0.0"])("is not this one: %s", async (version) => {
    const place = await listen(natsServer(version));
    const { stderr } = await runCommand(`lag -s nats://${place} --timeout 200ms`);
    expect(stderr).toMatch(/^error: cannot read the consumers of ORDERS: no answer in time$/m);
  });
});

describe("what is no broker at all", () => {
  it("is named with what to try, after the time that an answer may take", async () => {
    const silent = await listen(() => {});
    expect(await runCommand(`lag -s nats://${silent} --timeout 300ms`)).toMatchObject({
      exitCode: 5,
      stderr: `error: cannot connect to nats://${silent}: no answer in time\n  ${whatToTry}\n`,
    });
    const web = await listen((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
    expect(await runCommand(`lag -s nats://${web} --timeout 300ms`)).toMatchObject({
      exitCode: 3,
      stderr: `error: cannot connect to nats://${web}: unexpected response from server\n  ${whatToTry}\n`,
    });
  });
});

describe.each(servers)("nats-server $version", (server) => {
  it("without JetStream is told from one that is away", async () => {
    const { url } = await serverOfTest(server, { text: "max_payload: 1MB" });
    for (const command of everyCommand) {
      const ran = await runCommand(`${command} -s ${url}`);
      expect(ran, command).toMatchObject({ exitCode: 3, stdout: "" });
      expect(ran.stderr).toMatch(
        /^error: cannot .+: nobody answers for JetStream on this server\n {2}is JetStream enabled on this server \(nats-server -js\)\?\n$/,
      );
    }
    const status = await runCommand(`status -s ${url}`);
    expect(status.stdout).toMatch(/^connected to \S+ \(nats-server \S+ without JetStream, /);
  });

  it("with a user whose account has no JetStream names the account as what to change", async () => {
    const { url } = await serverOfTest(server, {
      text: `
        jetstream: enabled
        accounts {
          WITH { jetstream: enabled, users: [{ user: with, password: p }] }
          WITHOUT { users: [{ user: without, password: p }] }
        }
      `,
    });
    for (const command of everyCommand) {
      const env = { NATS_USER: "without", NATS_PASSWORD: "p" };
      const ran = await runCommand(`${command} -s ${url}`, { env });
      expect(ran, command).toMatchObject({ exitCode: 3, stdout: "" });
      expect(ran.stderr).toMatch(
        /^error: cannot .+: JetStream not enabled for account\n {2}have it enabled for the account, or use a user of another: --context, --creds or --user\n$/i,
      );
    }
    expect(await runCommand(`lag -s ${url} --user with --password p`)).toMatchObject({ exitCode: 4 });
  });
});
