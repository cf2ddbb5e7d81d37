import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

/**
 * How a collector of spans behaves: `sound`, `slow` (answers after 5 s), `refusing` (always answers 503) or `dying`
 * (closes at the third request).
 */
export type Manner = "sound" | "slow" | "refusing" | "dying";

export type SpanSink = {
  url: string;
  /** Ids of the spans that were accepted. */
  spanIds: ReadonlySet<string>;
  close(): void;
};

const slowMs = 5000;
const diesAt = 3;
/**
 * Matches the id of a span in OTLP/JSON. Attributes have no such keys, and a span's links do not have them in this
 * order.
 */
const spanId = /"traceId":"\w+","spanId":"(\w+)","(?:traceState|parent|name)/g;

/** Receives OTLP/JSON on a free port of this machine. */
export async function openSpanSink(manner: Manner): Promise<SpanSink> {
  const spanIds = new Set<string>();
  let requests = 0;
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    requests += 1;
    const isLast = manner === "dying" && requests >= diesAt;
    const body = await text(request);
    if (isLast) return close();
    if (manner === "refusing") return respond(response, 503);
    for (const [, id = ""] of body.matchAll(spanId)) spanIds.add(id);
    if (manner === "slow") setTimeout(() => respond(response, 200), slowMs).unref();
    else respond(response, 200);
  };
  const server = createServer((request, response) => {
    // The sender has closed the connection: there is nobody to answer.
    answer(request, response).catch(() => {});
  });
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, spanIds, close };
}

const respond = (response: ServerResponse, status: number): void =>
  void response.writeHead(status, { "content-type": "application/json" }).end("{}");
