import { ErrorCode as Nats, NatsError } from "nats";
import { type ErrorCode, OrderctlError, type Remedy, systemCode } from "../../core/errors.ts";
import { type RemedyName, remedy } from "./remedies.ts";

/** Broker API error numbers this program acts on (nats-server `server/errors.json`). */
export const apiErrors = {
  streamNotFound: 10059,
  consumerNotFound: 10014,
  messageNotFound: 10037,
  storeFailed: 10077,
  noJetStreamForAccount: 10039,
  noPlaceForReplicas: 10005,
  replicasNotSupported: 10074,
  subjectsOverlap: 10065,
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
  // The broker sends this error when it ends a connection: too many connections, too many subscriptions …
  [Nats.ProtocolError]: "unavailable",
};

/** Error codes by the status of a broker API error, for numbers that `particular` does not list. */
const apiCodes: Partial<Record<number, ErrorCode>> = {
  400: "usage",
  404: "not_found",
  409: "conflict",
  412: "usage",
  429: "unavailable",
  500: "unavailable",
  503: "unavailable",
};

type Particular = { code: ErrorCode; remedy?: RemedyName };

const storage: Particular = { code: "unavailable", remedy: "less_storage" };
const foreign: Particular = { code: "usage", remedy: "foreign_name" };

/** Error codes and remedies by number, for broker API errors whose status says too little. */
const particular: Partial<Record<number, Particular>> = {
  [apiErrors.noPlaceForReplicas]: { code: "unavailable", remedy: "server_for_each_replica" },
  [apiErrors.replicasNotSupported]: { code: "usage", remedy: "one_replica" },
  [apiErrors.subjectsOverlap]: { code: "usage", remedy: "remove_stream" },
  // Limits of the account, the server or the stream.
  10002: storage,
  10023: storage,
  10028: storage,
  10047: storage,
  10120: { code: "unavailable", remedy: "less_replicas" },
  10026: { code: "unavailable", remedy: "fewer_consumers" },
  10027: { code: "unavailable", remedy: "fewer_streams" },
  10053: { code: "unavailable", remedy: "account_limits" },
  10113: { code: "usage", remedy: "limited_stream" },
  10122: { code: "usage", remedy: "smaller_stream" },
  10121: { code: "usage", remedy: "more_ack_pending" },
  // A stream or consumer of somebody else has a name that orderctl needs.
  10013: foreign,
  10058: foreign,
  10093: foreign,
  10099: foreign,
  10100: foreign,
  10105: foreign,
  10148: foreign,
  // The broker cannot read the request: a fault of this program.
  10003: { code: "internal" },
  10025: { code: "internal" },
};

const remedies: Partial<Record<ErrorCode, RemedyName>> = {
  denied: "check_credentials",
  no_responders: "enable_jetstream",
};

/** The number of a broker API error, or undefined when `thrown` is something else. */
export const apiErrorOf = (thrown: unknown): number | undefined =>
  thrown instanceof NatsError ? thrown.api_error?.err_code : undefined;

/** Translates whatever the client threw while doing `what` (“read stream ORDERS”) into an OrderctlError. */
export function fromNats(thrown: unknown, what: string): OrderctlError {
  if (thrown instanceof OrderctlError) return thrown;
  const code = codeOf(thrown);
  return new OrderctlError(code, `cannot ${what}: ${reasonOf(thrown, code)}`, {
    hint: remedyFor(thrown, code),
    cause: thrown,
    source: "broker",
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

function remedyFor(thrown: unknown, code: ErrorCode): Remedy | undefined {
  const number = apiErrorOf(thrown) ?? 0;
  if (number === apiErrors.noJetStreamForAccount) return remedy("enable_for_account");
  const isForbidden = thrown instanceof NatsError && thrown.permissionContext;
  const usual = isForbidden ? "other_user" : remedies[code];
  const name = number in particular ? particular[number]?.remedy : usual;
  return name && remedy(name);
}

function reasonOf(thrown: unknown, code: ErrorCode): string {
  if (!(thrown instanceof NatsError))
    return plain(code, thrown instanceof Error ? thrown.message : String(thrown));
  const { permissionContext, api_error, message } = thrown;
  if (permissionContext) return noPermission(permissionContext);
  return api_error ? api_error.description : plain(code, message);
}

/** The text for a refusal of the broker, which names the operation and the subject, but not the user. */
export const noPermission = ({ operation, subject }: { operation: string; subject: string }): string =>
  `no permission to ${operation === "publish" ? "publish" : "subscribe"} to ${subject}`;

function plain(code: ErrorCode, said: string): string {
  if (code === "no_responders") return "nobody answers for JetStream on this server";
  if (code === "timeout") return "no answer in time";
  return said.replaceAll("'", "").replaceAll("_", " ").toLowerCase();
}
