import { ErrorCode as Nats, NatsError } from "nats";
import { type ErrorCode, OrderctlError, systemCode } from "../errors.ts";

/** Broker API error numbers this program acts on (nats-server `server/errors.json`). */
export const apiErrors = {
  streamNotFound: 10059,
  consumerNotFound: 10014,
  messageNotFound: 10037,
  storeFailed: 10077,
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

const hints: Partial<Record<ErrorCode, string>> = {
  denied: "check --creds, --user/--password, --token or --context",
  no_responders: "is JetStream enabled on this server (nats-server -js)?",
};

/** The number of a broker API error, or undefined when `thrown` is something else. */
export const apiErrorOf = (thrown: unknown): number | undefined =>
  thrown instanceof NatsError ? thrown.api_error?.err_code : undefined;

/** Translates whatever the client threw while doing `what` (“read stream ORDERS”) into an OrderctlError. */
export function fromNats(thrown: unknown, what: string): OrderctlError {
  if (thrown instanceof OrderctlError) return thrown;
  const code = codeOf(thrown);
  const said = thrown instanceof Error ? thrown.message : String(thrown);
  return new OrderctlError(code, `cannot ${what}: ${plain(code, said)}`, {
    hint: hints[code],
    cause: thrown,
  });
}

function codeOf(thrown: unknown): ErrorCode {
  const api = apiErrorOf(thrown);
  if (thrown instanceof NatsError && api !== undefined) {
    return thrown.api_error?.code === 404 ? "not_found" : "internal";
  }
  const name = thrown instanceof NatsError ? thrown.code : systemCode(thrown);
  return codes[name ?? ""] ?? (systemCode(thrown)?.startsWith("E") ? "unavailable" : "internal");
}

function plain(code: ErrorCode, said: string): string {
  if (code === "no_responders") return "nobody answers for JetStream on this server";
  if (code === "timeout") return "no answer in time";
  return said.replaceAll("'", "").replaceAll("_", " ").toLowerCase();
}
