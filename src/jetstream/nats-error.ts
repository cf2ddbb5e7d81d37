import { ErrorCode as Nats, NatsError } from "nats";
import { type ErrorCode, OrderctlError, systemCode } from "../errors.ts";

/** Broker API error numbers this program acts on (nats-server `server/errors.json`). */
export const apiErrors = {
  streamNotFound: 10059,
  consumerNotFound: 10014,
  messageNotFound: 10037,
  storeFailed: 10077,
  noJetStreamForAccount: 10039,
  noPlaceForReplicas: 10005,
  replicasNotSupported: 10074,
} as const;

const codes: Partial<Record<string, ErrorCode>> = {
  [Nats.ConnectionRefused]: "unavailable",
  [Nats.ConnectionTimeout]: "unavailable",
  [Nats.ConnectionClosed]: "unavailable",
  [Nats.ConnectionDraining]: "unavailable",
  [Nats.Disconnect]: "unavailable",
  [Nats.NoResponders]: "no_responders",
  [Nats.Timeout]: "timeout",
  [Nats.AuthorizationViolation]: "denied",
  [Nats.AuthenticationExpired]: "denied",
  [Nats.AuthenticationTimeout]: "denied",
  [Nats.AccountExpired]: "denied",
  [Nats.PermissionsViolation]: "denied",
  [Nats.MaxPayloadExceeded]: "too_large",
};

/** Of those with a number, by their kind; all others are `internal`. */
const apiCodes: Partial<Record<number, ErrorCode>> = {
  404: "not_found",
  503: "unavailable",
};

/** Of those whose kind says too little. */
const particular: Partial<Record<number, { code: ErrorCode; hint: string }>> = {
  [apiErrors.noPlaceForReplicas]: {
    code: "unavailable",
    hint: "each replica needs a server of its own: are all servers of the cluster up?",
  },
  [apiErrors.replicasNotSupported]: {
    code: "usage",
    hint: "--replicas 1, or --server names a server that is one of a cluster",
  },
};

const hints: Partial<Record<ErrorCode, string>> = {
  denied: "check --creds, --user/--password, --token or --context",
  no_responders: "is JetStream enabled on this server (nats-server -js)?",
};

export const permissionHint = "use a user that may: --context, --creds or --user";
const accountHint = "have it enabled for the account, or use a user of another: --context, --creds or --user";

/** The number of a broker API error, or undefined when `thrown` is something else. */
export const apiErrorOf = (thrown: unknown): number | undefined =>
  thrown instanceof NatsError ? thrown.api_error?.err_code : undefined;

/** Translates whatever the client threw while doing `what` (“read stream ORDERS”) into an OrderctlError. */
export function fromNats(thrown: unknown, what: string): OrderctlError {
  if (thrown instanceof OrderctlError) return thrown;
  const code = codeOf(thrown);
  return new OrderctlError(code, `cannot ${what}: ${reasonOf(thrown, code)}`, {
    hint: hintFor(thrown, code),
    cause: thrown,
    fault: "broker",
  });
}

function codeOf(thrown: unknown): ErrorCode {
  if (thrown instanceof NatsError && thrown.api_error) {
    const { code, err_code } = thrown.api_error;
    return particular[err_code ?? 0]?.code ?? apiCodes[code] ?? "internal";
  }
  const name = thrown instanceof NatsError ? thrown.code : systemCode(thrown);
  return codes[name ?? ""] ?? (systemCode(thrown)?.startsWith("E") ? "unavailable" : "internal");
}

function hintFor(thrown: unknown, code: ErrorCode): string | undefined {
  const number = apiErrorOf(thrown) ?? 0;
  if (number === apiErrors.noJetStreamForAccount) return accountHint;
  if (particular[number]) return particular[number].hint;
  return thrown instanceof NatsError && thrown.permissionContext ? permissionHint : hints[code];
}

function reasonOf(thrown: unknown, code: ErrorCode): string {
  if (!(thrown instanceof NatsError))
    return plain(code, thrown instanceof Error ? thrown.message : String(thrown));
  const { permissionContext, api_error, message } = thrown;
  if (permissionContext) return noPermission(permissionContext);
  return api_error ? api_error.description : plain(code, message);
}

/** The broker names subject and operation; who asked is known to the connection. */
export const noPermission = ({ operation, subject }: { operation: string; subject: string }): string =>
  `no permission to ${operation === "publish" ? "publish" : "subscribe"} to ${subject}`;

function plain(code: ErrorCode, said: string): string {
  if (code === "no_responders") return "nobody answers for JetStream on this server";
  if (code === "timeout") return "no answer in time";
  return said.replaceAll("'", "").replaceAll("_", " ").toLowerCase();
}
