import { OrderctlError, systemCode } from "../../core/errors.ts";
import { type Answer, readAnswer } from "./backend-answer.ts";
import type { BackendEndpoint } from "./backend-endpoint.ts";

export type BackendClient = {
  /** Rejects with `unavailable`, `denied`, `bad_message`, `too_large` or `timeout`, naming the backend and its URL. */
  get(path: string, query?: Readonly<Record<string, string>>): Promise<Answer>;
  /**
   * The decoded document of an answer, or `empty` if the backend does not have it. Throws `bad_message` for any other
   * answer and if `decode` throws.
   */
  settle<T>(answer: Answer, empty: T, decode: (value: unknown) => T): T;
};

export type ClientOptions = {
  /** The backend's name for messages: `Jaeger`, `Tempo`. */
  name: string;
  endpoint: BackendEndpoint;
  signal: AbortSignal;
  /** Time limit for all requests together. */
  timeoutMs: number;
};

const maxAnswerBytes = 64 * 2 ** 20;

export function createBackendClient({ name, endpoint, signal, timeoutMs }: ClientOptions): BackendClient {
  const who = `${name} at ${endpoint.url}`;
  const deadline = AbortSignal.timeout(timeoutMs);
  const request = { signal: AbortSignal.any([signal, deadline]), headers: headersFor(endpoint) };
  return {
    async get(path, query = {}) {
      try {
        const response = await fetch(`${endpoint.url}${path}${queryText(query)}`, request);
        const text = await readLimited(response, maxAnswerBytes);
        if (text === undefined) throw tooLarge(who);
        return readAnswer(who, response.status, text);
      } catch (thrown) {
        signal.throwIfAborted();
        if (deadline.aborted) throw tooLate(who, timeoutMs);
        throw thrown instanceof OrderctlError ? thrown : unreachable(who, thrown);
      }
    },
    settle(answer, empty, decode) {
      if (answer.kind === "missing") return empty;
      if (answer.kind !== "document") throw unexpected(name, who, answer.received);
      try {
        return decode(answer.value);
      } catch (thrown) {
        throw unexpected(name, who, `JSON (${thrown instanceof Error ? thrown.message : thrown})`);
      }
    },
  };
}

/** Empty, also without the `?`, if there are no parameters: not every runtime drops a `?` that nothing follows. */
function queryText(query: Readonly<Record<string, string>>): string {
  const text = String(new URLSearchParams(query));
  return text === "" ? "" : `?${text}`;
}

/** Asks for JSON: to a browser, a newer backend may answer with its user interface. */
const headersFor = ({ authorization }: BackendEndpoint): Record<string, string> => ({
  accept: "application/json",
  ...(authorization === undefined ? {} : { authorization }),
});

const unexpected = (name: string, who: string, received: string): OrderctlError =>
  new OrderctlError("bad_message", `${who} answered with ${received}, which is no trace`, {
    hint: `--endpoint must be the address where ${name} answers queries, with its path prefix if it has one`,
  });

const tooLarge = (who: string): OrderctlError =>
  new OrderctlError("too_large", `${who} answered with more than ${maxAnswerBytes / 2 ** 20} MiB`);

const tooLate = (who: string, timeoutMs: number): OrderctlError =>
  new OrderctlError("timeout", `${who} did not answer within ${timeoutMs / 1000} s`, {
    hint: "--timeout gives it more time",
  });

/** `fetch` keeps the reason in its `cause`. */
function unreachable(who: string, thrown: unknown): OrderctlError {
  const cause = thrown instanceof Error && thrown.cause !== undefined ? thrown.cause : thrown;
  const reason = systemCode(cause) ?? (cause instanceof Error ? cause.message : String(cause));
  return new OrderctlError("unavailable", `${who} cannot be reached (${reason})`, {
    hint: "is it running, and is --endpoint its query address? Spans are sent to another port",
    cause: thrown,
  });
}

/** The body of a response, decompressed; undefined as soon as it exceeds `maxBytes`. */
export async function readLimited(response: Response, maxBytes: number): Promise<string | undefined> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > maxBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}
