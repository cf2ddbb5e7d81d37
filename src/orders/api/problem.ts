import { STATUS_CODES } from "node:http";
import { type ErrorCode, OrderctlError } from "../../core/errors.ts";
import { isPruned } from "../../flow/archived-log.ts";

/** What went wrong with a request. `code` is for programs; `field` names the part of the order that is at fault. */
export type Problem = {
  status: number;
  code: string;
  detail: string;
  field?: string | undefined;
  orderId?: string | undefined;
  retryAfterS?: number;
};

/** An HTTP answer; a body that is not a text is sent as JSON. */
export type HttpAnswer = {
  status: number;
  headers: Record<string, string>;
  body: string | Record<string, unknown>;
  /** Id of the order that the request is about, if known. */
  orderId?: string | undefined;
};

/** A problem as RFC 9457 writes it: its type is `about:blank`, so its title is that of the status. */
export function problemAnswer({ status, code, detail, field, orderId, retryAfterS }: Problem): HttpAnswer {
  const title = STATUS_CODES[status] ?? "Error";
  const body = { type: "about:blank", title, status, detail, code, field, order_id: orderId };
  const headers: Record<string, string> = { "content-type": "application/problem+json" };
  if (retryAfterS !== undefined) headers["retry-after"] = String(retryAfterS);
  return { status, headers, body: JSON.stringify(body), orderId };
}

type Cause = Pick<Problem, "status" | "code" | "detail" | "retryAfterS">;

const away: Cause = {
  status: 503,
  code: "unavailable",
  detail: "the order log cannot be reached; an order that was sent is not stored",
  retryAfterS: 1,
};

/** What a caller is told for each error code of the order log; all other codes are `internal`. */
const causes: Partial<Record<ErrorCode, Cause>> = {
  unavailable: away,
  no_responders: away,
  not_found: away,
  interrupted: { ...away, detail: "the service is stopping; whether the order is stored is not known" },
  timeout: {
    ...away,
    code: "timeout",
    detail: "the order log did not answer in time; the order may be stored",
  },
  stream_full: {
    ...away,
    code: "stream_full",
    detail: "the order log takes no more orders",
    retryAfterS: 30,
  },
  conflict: { status: 409, code: "order_exists", detail: "what is stored under this id is no order" },
  too_large: { status: 413, code: "too_large", detail: "the order is larger than the order log takes" },
};

const pruned: Cause = {
  status: 410,
  code: "pruned",
  detail: "this order was archived, and has been removed from there by its age",
};

const internal: Cause = {
  status: 500,
  code: "internal",
  detail: "something failed that is not yours to fix",
};

/** The problem to answer for an error of the order log; the error's own message is for the operator and is left out. */
export function problemOf(thrown: unknown): Problem {
  if (!(thrown instanceof OrderctlError)) return internal;
  if (isPruned(thrown)) return pruned;
  return causes[thrown.isUncertain && thrown.code === "unavailable" ? "timeout" : thrown.code] ?? internal;
}

const fieldPattern =
  /^(?:lines(?:\[\d+\](?:\.\w+)?)?|(?:order|customer)_id|currency|created_at_us|total(?:_\w+)?)(?!\w)/;

/** The problem of an invalid order: `reason` begins with the field, if a single field is at fault. */
export const invalidOrder = (reason: string): Problem => ({
  status: 422,
  code: "invalid_order",
  detail: reason,
  field: fieldPattern.exec(reason)?.[0],
});
