import { createConnection } from "node:net";
import { ErrorCode as Nats, NatsError } from "nats";
import { type ErrorCode, OrderctlError, type Remedy, systemCode } from "../../core/errors.ts";
import type { ConnectionConfig } from "./connection-config.ts";
import { fromNats } from "./nats-error.ts";
import { type RemedyName, remedy } from "./remedies.ts";

/** The servers for a message to the operator, without the credentials in their addresses. */
export const shown = (servers: readonly string[]): string =>
  servers.map((server) => server.replace(/^([a-z]+:\/\/)?.*@/i, "$1")).join(", ");

type Reason = { why: string; remedy: RemedyName; code?: ErrorCode };

const untrusted: Reason = {
  why: "its certificate comes from no authority that is trusted here",
  remedy: "tls_authority",
};

const reasons: Partial<Record<string, Reason>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: untrusted,
  SELF_SIGNED_CERT_IN_CHAIN: untrusted,
  UNABLE_TO_GET_ISSUER_CERT: untrusted,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: untrusted,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: untrusted,
  CERT_SIGNATURE_FAILURE: untrusted,
  CERT_HAS_EXPIRED: { why: "its certificate has expired", remedy: "renew_certificate" },
  CERT_NOT_YET_VALID: { why: "its certificate is not valid yet", remedy: "check_clocks" },
  ERR_TLS_CERT_ALTNAME_INVALID: {
    why: "its certificate is for another name",
    remedy: "name_of_certificate",
  },
  ERR_SSL_WRONG_VERSION_NUMBER: {
    why: "it does not begin with TLS",
    remedy: "tls_later",
  },
  [Nats.ServerOptionNotAvailable]: {
    why: "it offers no TLS, and without it nothing is sent",
    remedy: "without_tls",
  },
};

/** The error for a failed connection; names the servers, who connected and what to do next. */
export async function connectError(
  thrown: unknown,
  config: ConnectionConfig,
  who: string,
): Promise<OrderctlError> {
  if (thrown instanceof OrderctlError) return thrown;
  const what = `connect to ${shown(config.servers)}`;
  const error = fromNats(thrown, what);
  const reason = reasons[systemCode(thrown) ?? ""] ?? (await silentReason(thrown, config));
  if (reason) {
    const { why, code = "denied" } = reason;
    return new OrderctlError(code, `cannot ${what}: ${why}`, {
      hint: remedy(reason.remedy),
      cause: thrown,
    });
  }
  const { code, message } = error;
  if (code === "denied") {
    const text = `cannot ${what}: the broker refuses ${who}`;
    return new OrderctlError(code, text, {
      hint: refusalRemedy(config) ?? error.hint,
      cause: thrown,
    });
  }
  if (code !== "internal")
    return new OrderctlError(code, message, {
      hint: remedy(isSilent(thrown) ? "strange_server" : "start_broker"),
      cause: thrown,
    });
  // The client could not make sense of the answer: it does not come from a nats-server.
  const isStrange = !(thrown instanceof NatsError);
  return isStrange
    ? new OrderctlError("unavailable", message, { hint: remedy("strange_server"), cause: thrown })
    : error;
}

/**
 * orderctl sends the key of its background broker (`orderctl broker start`) only to 127.0.0.1, not to other names of
 * this machine.
 */
function refusalRemedy({ servers, withheld = [] }: ConnectionConfig): Remedy | undefined {
  if (withheld.length > 0) return remedy("withheld", withheld.join(" and "));
  const { hostname, port } = new URL(servers[0] ?? "");
  if (hostname !== "localhost" && hostname !== "[::1]") return undefined;
  return remedy("loopback_address", port || "4222");
}

/**
 * The client gets no reason when the broker hangs up because of a certificate or a limit; the broker's greeting on a
 * second connection tells.
 */
async function silentReason(
  thrown: unknown,
  { servers, tls }: ConnectionConfig,
): Promise<Reason | undefined> {
  const greeting = isSilent(thrown) ? await readGreeting(servers[0] ?? "") : undefined;
  if (greeting?.refusal !== undefined)
    return { why: `the broker says: ${greeting.refusal}`, remedy: "connection_limit", code: "unavailable" };
  if (!greeting?.wantsCertificate) return undefined;
  return {
    why: tls?.certFile ? `it does not trust ${tls.certFile}` : "it wants a client certificate",
    remedy: "trusted_certificate",
  };
}

/** True when something listens at the address and the connection failed without a reason. */
const isSilent = (thrown: unknown): boolean => {
  const { code, chainedError } = thrown as { code?: unknown; chainedError?: Error };
  const isClosed = code === Nats.ConnectionRefused && systemCode(chainedError) !== "ECONNREFUSED";
  return code === Nats.Timeout || isClosed;
};

/** What a broker says before a client logs in; `refusal` is set when it accepts no connections. */
export type Greeting = { wantsCertificate: boolean; refusal: string | undefined };

const patienceMs = 2000;
/** How long to wait after the greeting for a refusal: a broker that accepts no connections says so right away. */
const refusalMs = 300;

/** The greeting at an address such as `nats://127.0.0.1:4222`; undefined when none comes within 2 s. */
export function readGreeting(server: string): Promise<Greeting | undefined> {
  const { hostname, port } = new URL(server);
  return new Promise((resolve) => {
    const socket = createConnection(Number(port || 4222), hostname.replace(/^\[|\]$/g, ""));
    let received = "";
    const end = () => {
      clearTimeout(timer);
      socket.destroy();
      resolve(parse(received));
    };
    let timer = setTimeout(end, patienceMs);
    socket.setEncoding("latin1");
    socket.on("data", (chunk) => {
      received += chunk;
      if (received.length > 65_536 || parse(received)?.refusal !== undefined) return end();
      if (!received.includes("\r\n")) return;
      clearTimeout(timer);
      timer = setTimeout(end, refusalMs);
    });
    socket.on("error", end);
    socket.on("close", end);
  });
}

function parse(received: string): Greeting | undefined {
  const refusal = /^-ERR '([^']*)'/m.exec(received)?.[1];
  if (refusal !== undefined) return { wantsCertificate: false, refusal };
  try {
    const info = JSON.parse(/^INFO (\{.*\})/.exec(received)?.[1] ?? "");
    return { wantsCertificate: info.tls_verify === true, refusal };
  } catch {
    return undefined;
  }
}
