import type { IncomingMessage, ServerResponse } from "node:http";
import { OrderctlError } from "../../core/errors.ts";
import { type Listening, listenPlainly } from "../../core/listening.ts";
import type { Scrape } from "./metric-readers.ts";

export type Readiness = { ready: boolean; reason?: string | undefined };

export type HealthServerOptions = {
  /** Loopback by default. */
  host?: string | undefined;
  allowedHosts?: readonly string[] | undefined;
  /** 0 takes a free port. */
  port: number;
  /** If undefined, `/metrics` is not served. */
  scrape: Scrape | undefined;
  /** Whether work can be done now, and if not, why. */
  isReady: () => Readiness;
  /** Whether the process should be kept running; by default always true. */
  isAlive?: (() => boolean) | undefined;
};

type Answer = { status: number; contentType: string; body: string };

type Routes = Readonly<Record<string, () => Answer | Promise<Answer>>>;

/**
 * Serves `/metrics`, `/healthz` and `/readyz`, also while the broker cannot be reached. Rejects with `conflict` if the
 * port is taken, and with `usage` if the process cannot listen there for another reason.
 */
export async function openHealthServer(options: HealthServerOptions): Promise<Listening> {
  const { host = "127.0.0.1", port, allowedHosts } = options;
  const routes = routesOf(options);
  return listenPlainly(
    { host, port, allowedHosts, flag: "--metrics-port" },
    (request, response) => void respond(routes, request, response),
  );
}

function routesOf({ scrape, isReady, isAlive = () => true }: HealthServerOptions): Routes {
  return {
    ...(scrape && { "/metrics": () => scraped(scrape) }),
    "/healthz": () => (isAlive() ? json(200, { status: "ok" }) : json(503, { status: "failing" })),
    "/readyz": () => {
      const readiness = isReady();
      return json(readiness.ready ? 200 : 503, readiness);
    },
  };
}

async function scraped(scrape: Scrape): Promise<Answer> {
  try {
    const { contentType, text } = await scrape();
    return { status: 200, contentType, body: text };
  } catch (thrown) {
    return plain(503, `no metrics: ${OrderctlError.from(thrown).message}`);
  }
}

async function respond(routes: Routes, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { status, contentType, body } = await answerTo(routes, request);
  const length = Buffer.byteLength(body);
  const headers = { "content-type": contentType, "content-length": length, "cache-control": "no-store" };
  response.writeHead(status, status === 405 ? { ...headers, allow: "GET, HEAD" } : headers);
  response.end(request.method === "HEAD" ? undefined : body);
}

function answerTo(routes: Routes, { method = "", url = "/" }: IncomingMessage): Answer | Promise<Answer> {
  const [path = ""] = url.split("?");
  const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
  if (!route) return plain(404, `here are ${Object.keys(routes).join(", ")}`);
  return method === "GET" || method === "HEAD" ? route() : plain(405, "this can only be read: GET or HEAD");
}

const plain = (status: number, line: string): Answer => ({
  status,
  contentType: "text/plain; charset=utf-8",
  body: `${line}\n`,
});

const json = (status: number, body: object): Answer => ({
  status,
  contentType: "application/json",
  body: `${JSON.stringify(body)}\n`,
});
