import { ErrorCode as Nats, NatsError } from "nats";
import { type ErrorCode, OrderctlError, systemCode } from "../../core/errors.ts";

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

type Particular = { code: ErrorCode; hint?: string };

const account = "`nats account info` shows the account's limits and what is used of them";
const drift = "`orderctl topology diff` shows what is otherwise than orderctl wants it";
const storage: Particular = {
  code: "unavailable",
  hint: `streams with less --max-bytes may fit; ${account}`,
};
const foreign: Particular = { code: "usage", hint: drift };

/** Error codes and hints by number, for broker API errors whose status says too little. */
const particular: Partial<Record<number, Particular>> = {
  [apiErrors.noPlaceForReplicas]: {
    code: "unavailable",
    hint: "each replica needs a server of its own: are all servers of the cluster up?",
  },
  [apiErrors.replicasNotSupported]: {
    code: "usage",
    hint: "--replicas 1, or --server names a server that is one of a cluster",
  },
  [apiErrors.subjectsOverlap]: {
    code: "usage",
    hint: "`nats stream rm` removes a stream that nobody needs; --context or --user names another account",
  },
  // Limits of the account, the server or the stream.
  10002: storage,
  10023: storage,
  10028: storage,
  10047: storage,
  10120: { code: "unavailable", hint: `the account has no limits for so many --replicas; ${account}` },
  10026: {
    code: "unavailable",
    hint: `\`orderctl lag <stream>\` shows who reads; \`nats consumer rm\` removes one; ${account}`,
  },
  10027: {
    code: "unavailable",
    hint: `\`nats stream ls\` shows those there are, \`nats stream rm\` removes one; ${account}`,
  },
  10053: { code: "unavailable", hint: account },
  10113: {
    code: "usage",
    hint: "`orderctl topology apply --max-bytes 10GB` makes streams that have a limit",
  },
  10122: { code: "usage", hint: `a stream may not be so large: less --max-bytes; ${account}` },
  10121: { code: "usage", hint: `orderctl's consumers need a max_ack_pending of 20,000; ${account}` },
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

/** The text for a refusal of the broker, which names the operation and the subject, but not the user. */
export const noPermission = ({ operation, subject }: { operation: string; subject: string }): string =>
  `no permission to ${operation === "publish" ? "publish" : "subscribe"} to ${subject}`;

function plain(code: ErrorCode, said: string): string {
  if (code === "no_responders") return "nobody answers for JetStream on this server";
  if (code === "timeout") return "no answer in time";
  return said.replaceAll("'", "").replaceAll("_", " ").toLowerCase();
}
