import type { IncomingHttpHeaders } from "node:http";
import type { FastifyInstance } from "fastify";
import { type Listening, listen, type Place } from "../../core/listening.ts";
import type { JsonObject } from "../sources/json-order.ts";
import { maxLines as mostLines } from "../wire/event-fault.ts";
import { answerGet, answerPost } from "./answer-requests.ts";
import { createHttpServer, respond } from "./http-server.ts";
import { idempotencyKeyOf, KeyMemory } from "./idempotency-key.ts";
import { type OrderStore, patientStore, type TraceContext, type WatchRequest } from "./order-store.ts";
import { problemAnswer } from "./problem.ts";

export type OrderApiOptions = Omit<Place, "flag"> & {
  orders: OrderStore;
  watchRequest?: WatchRequest | undefined;
  /** Called with each failure whose cause the answer hides from the caller. */
  note: (text: string) => void;
  /** Most lines that an order may have; by default as many as an event can have. */
  maxLines?: number | undefined;
  /** How long a caller waits for the order log before the answer is 503 with `retry-after`. */
  patienceMs?: number;
};

/**
 * Serves `POST /orders`, `GET /orders/<id>`, `GET /healthz` (the process is alive) and `GET /readyz` (the log can be
 * reached). Every error is `application/problem+json`. Rejects with `conflict` if the port is taken.
 */
export async function openOrderApi(options: OrderApiOptions): Promise<Listening> {
  const { host, port, allowedHosts, note } = options;
  return listen({ host, port, allowedHosts, flag: "--http-port" }, (serverFactory) => {
    const app = createHttpServer(serverFactory, note);
    addRoutes(app, options);
    return app;
  });
}

/** Budget of a POST: 200 µs of this process, the publisher included. */
function addRoutes(app: FastifyInstance, options: OrderApiOptions): void {
  const { orders, note, patienceMs = 10_000, maxLines = mostLines, watchRequest } = options;
  const api = { orders: patientStore(orders, patienceMs), note, keys: new KeyMemory(), maxLines };
  app.post<{ Body: JsonObject | undefined }>("/orders", async ({ body, headers }, reply) => {
    const watched = watchRequest?.({ method: "POST", route: "/orders", headers });
    const key = idempotencyKeyOf(headers);
    const trace = watched?.headers ?? traceContextOf(headers);
    const answer = typeof key === "object" ? problemAnswer(key) : await answerPost(api, body, { trace, key });
    watched?.end(answer.status, answer.orderId);
    return respond(reply, answer);
  });
  app.get<{ Params: { id: string } }>("/orders/:id", async ({ params, headers }, reply) => {
    // Without the caller's own trace, reads are not traced: polling must not use up the traces meant for orders.
    const isTraced = headers.traceparent !== undefined;
    const watched = isTraced ? watchRequest?.({ method: "GET", route: "/orders/:id", headers }) : undefined;
    const answer = await answerGet(api, params.id);
    watched?.end(answer.status, answer.orderId);
    return respond(reply, answer);
  });
  refuseMethods(app, { url: "/orders", method: ["GET", "PUT", "PATCH", "DELETE"], allow: "POST" });
  refuseMethods(app, { url: "/orders/:id", method: ["POST", "PUT", "PATCH", "DELETE"], allow: "GET, HEAD" });
  app.get("/healthz", async () => ({ status: "ok" }));
  app.get("/readyz", async (_request, reply) =>
    reply.code(orders.isReady() ? 200 : 503).send({ ready: orders.isReady() }),
  );
}

function refuseMethods(
  app: FastifyInstance,
  { url, method, allow }: { url: string; method: string[]; allow: string },
): void {
  const { status, headers, body } = problemAnswer({
    status: 405,
    code: "method_not_allowed",
    detail: `only ${allow} is for this path`,
  });
  const answer = { status, headers: { ...headers, allow }, body };
  app.route({ url, method, handler: async (_request, reply) => respond(reply, answer) });
}

/** https://www.w3.org/TR/trace-context/#traceparent-header */
const traceparentPattern = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;
const tracestatePattern = /^[\x20-\x7e]{1,512}$/;

/** The caller's trace context; malformed headers are ignored, as the standard asks. */
export function traceContextOf({ traceparent, tracestate }: IncomingHttpHeaders): TraceContext {
  if (typeof traceparent !== "string" || !traceparentPattern.test(traceparent)) return {};
  if (typeof tracestate !== "string" || !tracestatePattern.test(tracestate)) return { traceparent };
  return { traceparent, tracestate };
}
