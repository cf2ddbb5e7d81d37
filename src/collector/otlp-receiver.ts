import { type FastifyError, type FastifyInstance, type FastifyReply, fastify } from "fastify";
import { OrderctlError } from "../core/errors.ts";
import { type Listening, listen, type Place, type ServerFactory } from "../core/listening.ts";
import { encodingOf, type HttpAnswer, refusal } from "./http-answer.ts";
import { type Reception, receiveSpans } from "./receive-spans.ts";

export type ReceiverOptions = Place & { reception: Reception };

/**
 * Serves OTLP/HTTP for traces (https://opentelemetry.io/docs/specs/otlp/#otlphttp), `GET /healthz` (the process is
 * alive) and `GET /readyz` (the broker can be reached). Rejects with `conflict` if the port is taken.
 */
export async function openReceiver({ reception, ...place }: ReceiverOptions): Promise<Listening> {
  return listen(place, (serverFactory) => {
    const app = createApp(serverFactory, reception.onRefused);
    addRoutes(app, reception);
    return app;
  });
}

function createApp(serverFactory: ServerFactory, onRefused: Reception["onRefused"]): FastifyInstance {
  const app = fastify({
    logger: false,
    serverFactory,
    // While the collector stops, requests on open connections are still served, and their senders are told to close the
    // connection.
    return503OnClosing: false,
  });
  // The handler itself reads the body, because it limits how much of it is accepted.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", (_request, _payload, done) => done(null));
  app.setErrorHandler<FastifyError>((error, { method, url, headers }, reply) => {
    const status = error.statusCode ?? 500;
    if (status >= 500) onRefused(new OrderctlError("internal", `${method} ${url}: ${error.message}`));
    respond(reply, refusal(encodingOf(headers["content-type"]) ?? "json", status, error.message));
  });
  return app;
}

function addRoutes(app: FastifyInstance, reception: Reception): void {
  const refuse = (status: number, message: string) => (request: { headers: Headers }, reply: FastifyReply) =>
    respond(reply, refusal(encodingOf(request.headers["content-type"]) ?? "json", status, message));
  app.post("/v1/traces", async ({ raw }, reply) => respond(reply, await receiveSpans(reception, raw)));
  const methods = ["GET", "PUT", "PATCH", "DELETE", "OPTIONS"];
  const notPost = refuse(405, "spans are sent with POST");
  app.route({
    url: "/v1/traces",
    method: methods,
    handler: (request, reply) => notPost(request, reply.header("allow", "POST")),
  });
  const notTraces = (signal: string) =>
    `no ${signal} here, only traces: POST /v1/traces (OTEL_${signal.toUpperCase()}_EXPORTER=none stops the exporter)`;
  for (const signal of ["metrics", "logs"]) app.all(`/v1/${signal}`, refuse(404, notTraces(signal)));
  app.setNotFoundHandler(refuse(404, "there is nothing here; try POST /v1/traces"));
  app.get("/healthz", async () => ({ status: "ok" }));
  app.get("/readyz", async (_request, reply) => {
    const ready = reception.store.isReady;
    return reply.code(ready ? 200 : 503).send({ ready });
  });
}

type Headers = { "content-type"?: string | undefined };

const respond = (reply: FastifyReply, { status, headers, body }: HttpAnswer): FastifyReply =>
  reply.code(status).headers(headers).send(body);
