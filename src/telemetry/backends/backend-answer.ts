import { OrderctlError } from "../../core/errors.ts";
import { printable } from "../../core/foreign-text.ts";

/**
 * `missing`: the backend knows no such trace. `no_route`: it does not serve this path at all, being older or newer or
 * something else; `received` says what came instead. `garbage` is no JSON.
 */
export type Answer =
  | { kind: "document"; value: unknown }
  | { kind: "missing" }
  | { kind: "no_route" | "garbage"; received: string };

/** What a response says; throws where it is a refusal. `who` is the backend, for messages. */
export function readAnswer(who: string, status: number, text: string): Answer {
  if (status === 401 || status === 403) throw denied(who, status);
  const elsewhere = otherThanApi(text);
  if (elsewhere !== undefined && (status < 400 || status === 404))
    return { kind: "no_route", received: elsewhere };
  if (status === 404 || (status === 500 && hasNoTrace(text))) return { kind: "missing" };
  if (status >= 400) throw refused(who, status, elsewhere ?? excerpt(text));
  return parseDocument(text);
}

/** As Jaeger's gRPC gateway (before 1.50) says it. */
const hasNoTrace = (text: string): boolean => /trace not found/i.test(text.slice(0, 1000));

/** Jaeger shows its user interface at every path it does not know; the router of both knows a sentence. */
function otherThanApi(text: string): string | undefined {
  if (/^\s*<(!doctype|html|head|\?xml)/i.test(text)) return "an HTML page";
  return /^404 page not found\s*$/.test(text) ? "404 page not found" : undefined;
}

/**
 * JSON, or what a gRPC gateway streams: one JSON document per line, `{"result": …}` each
 * (https://github.com/grpc-ecosystem/grpc-gateway). Those come as an array.
 */
function parseDocument(text: string): Answer {
  const lines = () =>
    text
      .trim()
      .split("\n")
      .map((line): unknown => JSON.parse(line));
  for (const parse of [(): unknown => JSON.parse(text), lines]) {
    try {
      return { kind: "document", value: parse() };
    } catch {
      // The next one may do.
    }
  }
  return { kind: "garbage", received: text.trim() === "" ? "nothing" : JSON.stringify(excerpt(text)) };
}

/** What a foreign program said, in one short line fit for a terminal. */
const excerpt = (text: string): string => printable(text.trim().slice(0, 200));

function denied(who: string, status: number): OrderctlError {
  const why = status === 401 ? "wants to know who asks" : "does not allow this";
  return new OrderctlError("denied", `${who} ${why} (${status})`, {
    hint: "--endpoint https://user:password@host/… sends basic authentication",
  });
}

function refused(who: string, status: number, said: string): OrderctlError {
  const code = status >= 500 || status === 429 ? "unavailable" : "bad_message";
  return new OrderctlError(code, `${who} answered ${status}: ${said || "nothing more"}`);
}
