import { createConnection } from "node:net";

/** What a nats-server says about itself in the INFO line that it sends to each new client. */
export type ServerGreeting = {
  serverId: string;
  name: string;
  version: string;
  jetstream: boolean;
  needsCredentials: boolean;
};

const defaultTimeoutMs = 500;

/** Host and port of a nats URL (`nats://host:4222`, `host:4222`, `host`; the first of a comma-separated list). */
export function parseServerAddress(server: string): { host: string; port: number } {
  const first = (server.split(",")[0] ?? "").trim();
  const url = new URL(first.includes("://") ? first : `nats://${first}`);
  return { host: url.hostname.replace(/^\[|\]$/g, ""), port: Number(url.port || 4222) };
}

/** The greeting of the nats-server at `server`, or undefined if none answers within `timeoutMs` (default: 500 ms). */
export async function isBrokerAnswering(
  server: string,
  timeoutMs = defaultTimeoutMs,
): Promise<ServerGreeting | undefined> {
  const isGreeting = (line: string) => line.startsWith("INFO ");
  const greeting = await converse(server, { isWanted: isGreeting, timeoutMs });
  return greeting === undefined ? undefined : parseGreeting(greeting);
}

/**
 * Whether JetStream answers an API request. If the server needs credentials, the JetStream flag in its greeting decides
 * instead.
 */
export async function isJetStreamAnswering(server: string): Promise<boolean> {
  const greeting = await isBrokerAnswering(server);
  if (greeting === undefined || !greeting.jetstream) return false;
  if (greeting.needsCredentials) return true;
  const request = [
    'CONNECT {"verbose":false,"pedantic":false,"lang":"orderctl","version":"0"}',
    "SUB _INBOX.orderctl.probe 1",
    "PUB $JS.API.INFO _INBOX.orderctl.probe 0",
    "",
    "",
  ].join("\r\n");
  const answer = await converse(server, { isWanted: (line) => line.startsWith("{"), request });
  return answer !== undefined && !answer.includes('"error"');
}

type Wanted = { isWanted: (line: string) => boolean; request?: string; timeoutMs?: number };

/**
 * Sends `request`, if any, and resolves to the first line that `isWanted` accepts, or to undefined when the time is up
 * or the connection ends.
 */
function converse(
  server: string,
  { isWanted, request = "", timeoutMs = defaultTimeoutMs }: Wanted,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = createConnection(parseServerAddress(server));
    const end = (line?: string) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(line);
    };
    const timer = setTimeout(end, timeoutMs);
    let received = "";
    socket.setEncoding("utf8");
    socket.on("connect", () => socket.write(request));
    socket.on("data", (chunk) => {
      received += chunk;
      const wanted = received.split("\r\n").slice(0, -1).find(isWanted);
      if (wanted !== undefined) end(wanted);
    });
    socket.on("error", () => end());
    socket.on("close", () => end());
  });
}

function parseGreeting(line: string): ServerGreeting | undefined {
  try {
    const info: Record<string, unknown> = JSON.parse(line.slice("INFO ".length));
    return {
      serverId: String(info.server_id),
      name: String(info.server_name),
      version: String(info.version),
      jetstream: info.jetstream === true,
      needsCredentials: info.auth_required === true || info.tls_required === true,
    };
  } catch {
    return undefined;
  }
}
