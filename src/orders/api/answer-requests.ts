import { v7 } from "uuid";
import { hintText } from "../../cli/hints.ts";
import { OrderctlError } from "../../core/errors.ts";
import type { OrderCreated } from "../events.ts";
import { defaultCurrency } from "../money.ts";
import { isSameEvent } from "../same-order.ts";
import { findUnknownField, type JsonObject, readJsonOrder } from "../sources/json-order.ts";
import { isOrderId } from "../subjects.ts";
import { type KeyMemory, orderIdOf } from "./idempotency-key.ts";
import { orderDocument, receipt } from "./order-document.ts";
import type { OrderStore, TraceContext } from "./order-store.ts";
import { type HttpAnswer, invalidOrder, type Problem, problemAnswer, problemOf } from "./problem.ts";

export type OrderApi = {
  orders: OrderStore;
  note: (text: string) => void;
  keys: KeyMemory;
  /** Most lines that an order may have. */
  maxLines: number;
};

const anotherOrder = { status: 409, code: "order_exists", detail: "another order is stored under this id" };
const anotherBody = {
  status: 422,
  code: "idempotency_key_reused",
  detail: "another order was sent with this Idempotency-Key",
};
const unknownOrder = { status: 404, code: "not_found", detail: "there is no order with this id" };
const noBody = { status: 400, code: "malformed_body", detail: "the request has no body" };
const badId = {
  status: 400,
  code: "invalid_id",
  detail: "an order id is 1 to 64 letters, digits, '-' or '_'",
};

/** What a request to place an order has besides its body: the caller's trace context and `Idempotency-Key`. */
export type PostContext = { trace: TraceContext; key: string | undefined };

/**
 * Places the order in `body`: 201 if it is new, 200 if this same order is stored already, 409 if another order has its
 * id (422 if the request has an idempotency key, because the key was used for that other order). So a caller can repeat
 * an order that names its id or comes with a key until an answer arrives.
 */
export async function answerPost(
  api: OrderApi,
  body: JsonObject | undefined,
  context: PostContext,
): Promise<HttpAnswer> {
  const { key } = context;
  if (!body) return problemAnswer(noBody);
  const order = orderIn(body, key);
  if ("status" in order) return problemAnswer(order);
  const { orderId, lines } = order;
  if (lines.length > api.maxLines) {
    return problemAnswer(invalidOrder(`lines are ${lines.length}, ${api.maxLines} are the most`));
  }
  const claimed = key === undefined ? orderId : api.keys.claim(key, orderId);
  if (claimed !== orderId) return problemAnswer({ ...anotherBody, orderId: claimed });
  return guarded(api, orderId, () => placeOrder(api.orders, order, context));
}

/** Answers where an order stands, according to its events in the log. */
export async function answerGet(api: OrderApi, orderId: string): Promise<HttpAnswer> {
  if (!isOrderId(orderId)) return problemAnswer({ ...badId, field: "order_id" });
  return guarded(api, orderId, async () => {
    const state = await api.orders.read(orderId);
    if (!state) return problemAnswer({ ...unknownOrder, orderId });
    return { status: 200, headers: {}, body: orderDocument(state), orderId };
  });
}

async function guarded(
  { note }: OrderApi,
  orderId: string,
  work: () => Promise<HttpAnswer>,
): Promise<HttpAnswer> {
  try {
    return await work();
  } catch (thrown) {
    const problem = problemOf(thrown);
    const error = OrderctlError.from(thrown);
    // That the broker is away is noted by its connection; nobody else tells of the archive.
    const isArchiveAway = problem.status === 503 && error.source === "store";
    if (problem.status === 500 || problem.status === 409 || isArchiveAway)
      note(`order ${orderId}: ${toldInFull(error)}`);
    return problemAnswer({ ...problem, orderId });
  }
}

const toldInFull = ({ message, hint }: OrderctlError): string =>
  hint === undefined ? message : `${message}; ${hintText(hint)}`;

function orderIn(body: JsonObject, key: string | undefined): OrderCreated | Problem {
  const unknown = findUnknownField(body);
  if (unknown !== undefined) {
    const field = unknown.slice(0, 100);
    return { ...invalidOrder(`${JSON.stringify(field)} is no field of an order`), field };
  }
  try {
    const newId = () => (key === undefined ? v7() : orderIdOf(key));
    return readJsonOrder(body, { currency: defaultCurrency, newId });
  } catch (thrown) {
    const { code, message } = OrderctlError.from(thrown);
    if (code !== "bad_message") throw thrown;
    return invalidOrder(message);
  }
}

async function placeOrder(
  orders: OrderStore,
  order: OrderCreated,
  { trace, key }: PostContext,
): Promise<HttpAnswer> {
  const { orderId } = order;
  const { sequence, duplicate, existing } = await orders.place(order, trace);
  if (duplicate && !(existing && isSameEvent(existing, order))) {
    return problemAnswer(
      key === undefined ? { ...anotherOrder, field: "order_id", orderId } : { ...anotherBody, orderId },
    );
  }
  const state = duplicate ? await orders.read(orderId) : undefined;
  const { status, waitingFor } = state ?? { status: "created" as const, waitingFor: "payment" as const };
  return {
    status: duplicate ? 200 : 201,
    headers: { location: `/orders/${orderId}` },
    body: receipt(order, { sequence, status, waitingFor }),
    orderId,
  };
}
