import { OrderctlError } from "../../core/errors.ts";
import { printable } from "../../core/foreign-text.ts";

/**
 * `missing`: the backend has no such trace. `no_route`: it does not serve this path, because of its version or because
 * it is another program. `garbage`: the answer is not JSON. `received` describes what came instead.
 */
export type Answer =
  | { kind: "document"; value: unknown }
  | { kind: "missing" }
  | { kind: "no_route" | "garbage"; received: string };

/** Classifies a response; throws if it is an error. `who` names the backend in messages. */
export function readAnswer(who: string, status: number, text: string): Answer {
  if (status === 401 || status === 403) throw denied(who, status);
  const elsewhere = otherThanApi(text);
  if (elsewhere !== undefined && (status < 400 || status === 404))
    return { kind: "no_route", received: elsewhere };
  if (status === 404 || (status === 500 && hasNoTrace(text))) return { kind: "missing" };
  if (status >= 400) throw refused(who, status, elsewhere ?? excerpt(text));
  return parseDocument(text);
}

/** The words of Jaeger's gRPC gateway (before 1.50), which answers with status 500. */
const hasNoTrace = (text: string): boolean => /trace not found/i.test(text.slice(0, 1000));

/**
 * Describes an answer that does not come from the API: Jaeger serves its user interface at every path it does not know,
 * and the HTTP router of both backends answers "404 page not found".
 */
function otherThanApi(text: string): string | undefined {
  if (/^\s*<(!doctype|html|head|\?xml)/i.test(text)) return "an HTML page";
  return /^404 page not found\s*$/.test(text) ? "404 page not found" : undefined;
}

/**
 * Parses JSON, or the stream of a gRPC gateway (https://github.com/grpc-ecosystem/grpc-gateway): one JSON document per
 * line, each `{"result": …}`. The documents of a stream are returned as an array.
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
      // Try the next form.
    }
  }
  return { kind: "garbage", received: text.trim() === "" ? "nothing" : JSON.stringify(excerpt(text)) };
}

/** The beginning of a foreign program's answer as one line that is safe on a terminal. */
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
