import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { type FastifyError, type FastifyInstance, type FastifyReply, fastify } from "fastify";
import { OrderctlError, systemCode } from "../../core/errors.ts";
import type { ServerFactory } from "../../core/listening.ts";
import { parseJsonObject } from "../sources/json-order.ts";
import { type HttpAnswer, problemAnswer } from "./problem.ts";

const bodyLimit = 1024 * 1024;
const readAwayMs = 5000;

const refusals: Record<number, { code: string; detail: string }> = {
  404: { code: "not_found", detail: "there is nothing here; try POST /orders or GET /orders/<id>" },
  408: { code: "request_timeout", detail: "the request took too long to arrive" },
  413: { code: "too_large", detail: `a body has at most ${bodyLimit} bytes` },
  414: { code: "uri_too_long", detail: "the path is too long" },
  415: { code: "unsupported_media_type", detail: "an order is sent as application/json" },
  417: { code: "expectation_failed", detail: "the only expectation that is understood is 100-continue" },
  431: { code: "headers_too_large", detail: "the headers are too large" },
  500: { code: "internal", detail: "something failed that is not yours to fix" },
};

/** A server without routes that reads JSON objects and answers every error with `application/problem+json`. */
export function createHttpServer(
  serverFactory: ServerFactory,
  note: (text: string) => void,
): FastifyInstance {
  const app = fastify({
    logger: false,
    serverFactory,
    bodyLimit,
    // While the service stops, a request on an open connection is still served, with `connection: close`.
    return503OnClosing: false,
    frameworkErrors: (error, _request, reply) => void respond(reply, refusal(error)),
    clientErrorHandler: refuseConnection,
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    "application/json",
    { parseAs: "buffer" },
    async (_request: unknown, body: Buffer) => parseJsonObject(body),
  );
  app.setErrorHandler<FastifyError>(async (error, { method, url, raw }, reply) => {
    const answer = refusal(error);
    if (answer.status === 500) note(`${method} ${url}: ${error.message}`);
    if (answer.status === 413) await readAway(raw);
    return respond(reply, answer);
  });
  app.setNotFoundHandler((_request, reply) => void respond(reply, plainProblem(404)));
  // Without this listener Node itself answers an unknown `Expect` header, with an empty 417.
  app.server.on("checkExpectation", (_request, response: ServerResponse) => {
    const { status, headers, body } = plainProblem(417);
    const text = String(body);
    response.writeHead(status, { ...headers, "content-length": Buffer.byteLength(text) }).end(text);
  });
  return app;
}

export const respond = (reply: FastifyReply, { status, headers, body }: HttpAnswer): FastifyReply =>
  reply.code(status).headers(headers).send(body);

/**
 * Reads the rest of a refused request: a client that is still sending when the connection closes sees only a broken
 * pipe, never the answer.
 */
async function readAway(request: IncomingMessage): Promise<void> {
  const signal = AbortSignal.timeout(readAwayMs);
  await once(request.resume(), "close", { signal }).catch(() => undefined);
}

/** The answer to a request that never reached its handler. */
function refusal(error: Error & { statusCode?: number }): HttpAnswer {
  if (error instanceof OrderctlError && error.code === "bad_message") {
    return problemAnswer({ status: 400, code: "malformed_body", detail: error.message });
  }
  const status = error.statusCode ?? 500;
  return status === 400
    ? problemAnswer({ status, code: "bad_request", detail: error.message })
    : plainProblem(status);
}

const plainProblem = (status: number): HttpAnswer =>
  problemAnswer({
    status,
    ...(refusals[status] ?? { code: "bad_request", detail: "this cannot be answered" }),
  });

/**
 * Answers input that is not HTTP or arrives too slowly. There is no request to answer, so it writes to the connection.
 */
function refuseConnection(error: Error, socket: Socket): void {
  const reason = systemCode(error);
  if (reason === "ECONNRESET" || socket.destroyed) return;
  const status = { ERR_HTTP_REQUEST_TIMEOUT: 408, HPE_HEADER_OVERFLOW: 431 }[reason ?? ""] ?? 400;
  const { body, headers } = plainProblem(status);
  const text = String(body);
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const head = `HTTP/1.1 ${status} Refused\r\nconnection: close\r\ncontent-length: ${Buffer.byteLength(text)}\r\n`;
  if (socket.writable) socket.write(`${head}${lines.join("")}\r\n${text}`);
  socket.destroySoon();
}
