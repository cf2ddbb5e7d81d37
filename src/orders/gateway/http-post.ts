import * as http from "node:http";
import * as https from "node:https";
import { OrderctlError } from "../../core/errors.ts";

/** An answer that has come whole. */
export type HttpAnswer = { status: number; text: string };

export type HttpRequest = { headers: Readonly<Record<string, string>>; body: string; signal: AbortSignal };

const maxAnswerChars = 64 * 1024;

/**
 * Posts to one URL over connections that are kept open, and follows no redirect. Rejects with `timeout` when the whole
 * answer is not there in time, `unavailable` when there is none, and the signal's reason when that aborts. ~120 µs a
 * call, a quarter of what `fetch` takes.
 */
export function createHttpPost(url: URL, timeoutMs: number): (request: HttpRequest) => Promise<HttpAnswer> {
  const { request: open, Agent } = url.protocol === "https:" ? https : http;
  const agent = new Agent({ keepAlive: true });
  return ({ headers, body, signal }) =>
    new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const length = Buffer.byteLength(body);
      const request = open(url, {
        agent,
        method: "POST",
        headers: { ...headers, "content-type": "application/json", "content-length": length },
      });
      const giveUp = (reason: unknown) => {
        reject(reason);
        request.destroy();
      };
      const onAbort = () => giveUp(signal.reason);
      const timer = setTimeout(() => giveUp(late(timeoutMs)), timeoutMs);
      signal.addEventListener("abort", onAbort, { once: true });
      request.on("close", () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", onAbort);
      });
      request.on("error", (error) => reject(unreachable(error)));
      request.on("response", (response) => void readAnswer(response).then(resolve, giveUp));
      request.end(body);
    });
}

async function readAnswer(response: http.IncomingMessage): Promise<HttpAnswer> {
  let text = "";
  response.setEncoding("utf8");
  try {
    for await (const chunk of response) {
      text += chunk;
      if (text.length > maxAnswerChars) throw new Error("the answer is too long");
    }
  } catch (thrown) {
    throw unreachable(thrown);
  }
  return { status: response.statusCode ?? 0, text };
}

const late = (timeoutMs: number): OrderctlError =>
  new OrderctlError("timeout", `no answer within ${timeoutMs / 1000} s`);

/** Where a name has several addresses, each has failed in its own way. */
function unreachable(thrown: unknown): OrderctlError {
  const errors: unknown[] = thrown instanceof AggregateError ? thrown.errors : [thrown];
  const reasons = errors.map((error) => (error instanceof Error ? error.message : String(error)));
  return new OrderctlError("unavailable", reasons.join("; "), { cause: thrown });
}
