import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { join } from "node:path";

export type Backend = {
  url: string;
  /** Path and query of each request, in order. */
  requests: string[];
  headers: IncomingMessage["headers"][];
  close(): void;
};

/** Answers one request; undefined where it serves no such path. */
export type Answers = (url: URL, response: ServerResponse) => unknown;

/** A real HTTP server on loopback. */
export async function startBackend(answers: Answers): Promise<Backend> {
  const requests: string[] = [];
  const headers: IncomingMessage["headers"][] = [];
  const server = createServer((request, response) => {
    requests.push(request.url ?? "");
    headers.push(request.headers);
    answers(new URL(request.url ?? "/", "http://backend"), response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    requests,
    headers,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

export const recorded = (name: string): string =>
  readFileSync(join(import.meta.dirname, "../../../fixtures/backends", name), "utf8");

export const traceId = "0b7ad6b7169203331e2c5b4f6a9d8c71";
export const orderId = "01703a83-3a7b-7000-8000-077fade85831";

/** What is sent for a path that matches; the query and what the pattern caught are given. */
type Route = [path: RegExp, reply: (query: URLSearchParams, id: string) => Reply];
type Reply = { status?: number; type?: string; body: string };

/** The first route that fits; `others` for all other paths. */
function serve(routes: readonly Route[], { prefix, others }: { prefix: string; others: Reply }): Answers {
  return ({ pathname, searchParams }, response) => {
    const path = pathname.startsWith(prefix) ? pathname.slice(prefix.length) : "";
    const [pattern, reply] = routes.find(([each]) => each.test(path)) ?? [];
    const sent = reply?.(searchParams, pattern?.exec(path)?.[1] ?? "") ?? others;
    response
      .writeHead(sent.status ?? 200, { "content-type": sent.type ?? "application/json" })
      .end(sent.body);
  };
}

const jaegerPage: Reply = {
  type: "text/html; charset=utf-8",
  body: '<!doctype html>\n<html lang="en"><head><title>Jaeger UI</title></head><body></body></html>',
};

type JaegerTraits = { v3?: string; prefix?: string; services?: readonly string[] };

/**
 * As Jaeger answers: its user interface at every path it does not know. `v3` is the recorded answer of that API, which
 * the versions before 1.2x have not.
 */
export function jaeger({ v3, prefix = "", services = ["jaeger", "orderctl"] }: JaegerTraits): Answers {
  const modern: Route[] = v3
    ? [[/^\/api\/v3\/traces\/(\w+)$/, (_, id) => (id === traceId ? { body: recorded(v3) } : noTraceV3)]]
    : [];
  const older: Route[] = [
    [
      /^\/api\/traces\/(\w+)$/,
      (_, id) => (id === traceId ? { body: recorded("jaeger-trace.json") } : noTrace),
    ],
    [/^\/api\/services$/, () => ({ body: wrapped(services) })],
    [/^\/api\/traces$/, jaegerSearch],
  ];
  return serve([...modern, ...older], { prefix, others: jaegerPage });
}

const noTraceV3: Reply = { status: 404, body: '{"error":{"httpCode":404,"message":"No traces found"}}\n' };

const noTrace: Reply = {
  status: 404,
  body: '{"data":null,"total":0,"limit":0,"offset":0,"errors":[{"code":404,"msg":"trace not found"}]}\n',
};

const wrapped = (data: readonly unknown[]) =>
  JSON.stringify({ data, total: data.length, limit: 0, offset: 0, errors: null });

/** Wants a service, and times in µs. */
function jaegerSearch(query: URLSearchParams): Reply {
  const week = 7 * 24 * 3_600_000_000;
  const found =
    query.get("service") === "orderctl" &&
    query.get("tags") === JSON.stringify({ "order.id": orderId }) &&
    Number(query.get("end")) - Number(query.get("start")) === week;
  return { body: found ? recorded("jaeger-trace.json") : wrapped([]) };
}

/** As Tempo answers; early versions know the older path only. */
export function tempo({ v2 = true, prefix = "" } = {}): Answers {
  const modern: Route[] = v2
    ? [
        [
          /^\/api\/v2\/traces\/(\w+)$/,
          (_, id) => ({ body: id === traceId ? recorded("tempo-v2-trace.json") : noneV2 }),
        ],
      ]
    : [];
  const older: Route[] = [
    [
      /^\/api\/traces\/(\w+)$/,
      (_, id) => (id === traceId ? { body: recorded("tempo-v1-trace.json") } : { status: 404, body: "" }),
    ],
    [/^\/api\/search$/, tempoSearch],
  ];
  const others = { status: 404, type: "text/plain; charset=utf-8", body: "404 page not found\n" };
  return serve([...modern, ...older], { prefix, others });
}

const noneV2 = '{"trace":{},"metrics":{}}';

function tempoSearch(query: URLSearchParams): Reply {
  const [start, end] = [Number(query.get("start")), Number(query.get("end"))];
  if (!(end - start <= 168 * 3600)) {
    const range = `received start=${start} end=${end}`;
    return { status: 400, body: `range specified by start and end exceeds 168h0m0s. ${range}` };
  }
  const found = query.get("q") === `{ span.order.id = "${orderId}" }`;
  return { body: found ? recorded("tempo-search.json") : '{"traces":[],"metrics":{"totalBlocks":1}}' };
}
