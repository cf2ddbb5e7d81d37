import { once, setMaxListeners } from "node:events";
import { Readable } from "node:stream";
import { type FastifyInstance, type FastifyReply, fastify } from "fastify";
import { type Listening, listen, type Place, type ServerFactory } from "../../../core/listening.ts";
import type { Note } from "../../../core/note.ts";
import type { Operation } from "../gateway.ts";
import type { Decision } from "../simulated-gateway.ts";
import { type BookCall, type CallBody, createBooking } from "./bookings.ts";
import { chargeSchema, headersSchema, maxKeyLength, refundSchema } from "./call-schema.ts";
import { type Faults, faultsSchema } from "./faults.ts";
import { Ledger } from "./ledger.ts";

export type SimulatorOptions = Place & {
  /** Path of the ledger file. */
  ledger: string;
  decision: Decision;
  /** Faults at the start; `PUT /faults` replaces them. */
  faults: Faults;
  note: Note;
};

/** `entries`: number of entries in the ledger at the start. */
export type Simulator = Listening & { entries: number };

const stopMs = 1000;

/**
 * A payment provider to test against: `POST /charges` and `/refunds`; `GET` of the same paths for all bookings (JSON
 * lines) or, with a key appended, for one; `GET` and `PUT /faults`; `GET /healthz`. A booked idempotency key gets the
 * same answer again, also after a kill -9. `stop` cuts off calls that still hang.
 */
export async function openSimulator({ note, ...options }: SimulatorOptions): Promise<Simulator> {
  const ledger = await Ledger.open(options.ledger, note);
  const stopping = new AbortController();
  // Every waiting call adds a listener; without this, Node warns of a leak.
  setMaxListeners(0, stopping.signal);
  try {
    const { url, stop } = await listen(options, (serverFactory) => {
      const app = createApp(serverFactory);
      addRoutes(app, { ...options, ledger, signal: stopping.signal });
      return app;
    });
    return {
      url,
      entries: ledger.size,
      async stop(deadlineMs) {
        stopping.abort();
        await stop(Math.min(deadlineMs, stopMs));
        await ledger.close();
      },
    };
  } catch (thrown) {
    await ledger.close();
    throw thrown;
  }
}

function createApp(serverFactory: ServerFactory): FastifyInstance {
  return fastify({
    logger: false,
    serverFactory,
    bodyLimit: 16 * 1024,
    return503OnClosing: false,
    routerOptions: { maxParamLength: maxKeyLength },
    // Invalid bodies are refused: by default ajv would convert types and drop unknown fields.
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false } },
  });
}

type Routes = { ledger: Ledger; decision: Decision; faults: Faults; signal: AbortSignal };

function addRoutes(app: FastifyInstance, { ledger, decision, signal, ...initial }: Routes): void {
  let { faults } = initial;
  const book = createBooking(ledger, decision, () => faults);
  const calls = { book, ledger, signal, isHanging: () => faults.hang };
  addOperation(app, "charge", { ...calls, schema: { headers: headersSchema, body: chargeSchema } });
  addOperation(app, "refund", { ...calls, schema: { headers: headersSchema, body: refundSchema } });
  app.get("/faults", async () => faults);
  app.put<{ Body: Faults }>("/faults", { schema: { body: faultsSchema } }, async ({ body }) => {
    faults = body;
    return faults;
  });
  app.get("/healthz", async () => ({ status: "ok", entries: ledger.size }));
}

type Calls = {
  book: BookCall;
  ledger: Ledger;
  signal: AbortSignal;
  isHanging: () => boolean;
  schema: object;
};

/** Budget of a call: 120 µs of this process. */
function addOperation(
  app: FastifyInstance,
  operation: Operation,
  { book, ledger, signal, isHanging, schema }: Calls,
): void {
  type Post = { Headers: { "idempotency-key": string }; Body: CallBody };
  app.post<Post>(`/${operation}s`, { schema }, async ({ headers, body }, reply) => {
    if (isHanging()) {
      await once(reply.raw, "close", { signal });
      return cut(reply);
    }
    const answer = await book({ operation, key: headers["idempotency-key"], body }, signal);
    return answer ? reply.code(answer.status).send(answer.body) : cut(reply);
  });
  app.get(`/${operation}s`, async (_request, reply) =>
    reply.type("application/x-ndjson").send(Readable.from(ledger.chunks(operation))),
  );
  app.get<{ Params: { key: string } }>(`/${operation}s/:key`, async ({ params }, reply) => {
    const entry = ledger.find(operation, params.key);
    return entry ?? reply.code(404).send({ message: `nothing is booked under ${params.key}` });
  });
}

function cut(reply: FastifyReply): FastifyReply {
  reply.hijack();
  reply.raw.destroy();
  return reply;
}
