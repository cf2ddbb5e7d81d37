import { v7 } from "uuid";
import { OrderctlError } from "../../errors.ts";
import type { OrderCreated } from "../../orders/events.ts";
import { defaultCurrency } from "../../orders/money.ts";
import { isSameOrder } from "../../orders/same-order.ts";
import { type JsonObject, readJsonOrder } from "../../orders/sources/json-order.ts";
import { isOrderId } from "../../orders/subjects.ts";
import type { OrderDesk, TraceContext } from "./order-desk.ts";
import { orderDocument, receipt } from "./order-document.ts";
import { type HttpAnswer, invalidOrder, type Problem, problemAnswer, problemOf } from "./problem.ts";

export type Desk = { orders: OrderDesk; note: (text: string) => void };

const anotherOrder = { status: 409, code: "order_exists", detail: "another order is stored under this id" };
const unknownOrder = { status: 404, code: "not_found", detail: "there is no order with this id" };
const noBody = { status: 400, code: "malformed_body", detail: "the request has no body" };
const badId = {
  status: 400,
  code: "invalid_id",
  detail: "an order id is 1 to 64 letters, digits, '-' or '_'",
};

/**
 * Places the order in `body`: 201, or 200 when this very order is stored already, or 409 when another has its id. An
 * order that names its id can therefore be sent again and again until there is an answer.
 */
export async function answerPost(
  desk: Desk,
  body: JsonObject | undefined,
  trace: TraceContext,
): Promise<HttpAnswer> {
  if (!body) return problemAnswer(noBody);
  const order = orderIn(body);
  if ("status" in order) return problemAnswer(order);
  return guarded(desk, order.orderId, () => placeOrder(desk.orders, order, trace));
}

/** Tells where an order stands, from what the log holds about it. */
export async function answerGet(desk: Desk, orderId: string): Promise<HttpAnswer> {
  if (!isOrderId(orderId)) return problemAnswer({ ...badId, field: "order_id" });
  return guarded(desk, orderId, async () => {
    const state = await desk.orders.read(orderId);
    if (!state) return problemAnswer({ ...unknownOrder, orderId });
    return { status: 200, headers: {}, body: orderDocument(state), orderId };
  });
}

async function guarded(
  { note }: Desk,
  orderId: string,
  work: () => Promise<HttpAnswer>,
): Promise<HttpAnswer> {
  try {
    return await work();
  } catch (thrown) {
    const problem = problemOf(thrown);
    if (problem.status === 500) note(`order ${orderId}: ${OrderctlError.from(thrown).message}`);
    return problemAnswer({ ...problem, orderId });
  }
}

function orderIn(body: JsonObject): OrderCreated | Problem {
  try {
    return readJsonOrder(body, { currency: defaultCurrency, newId: v7 });
  } catch (thrown) {
    const { code, message } = OrderctlError.from(thrown);
    if (code !== "bad_message") throw thrown;
    return invalidOrder(message);
  }
}

async function placeOrder(orders: OrderDesk, order: OrderCreated, trace: TraceContext): Promise<HttpAnswer> {
  const { orderId } = order;
  const { sequence, duplicate, existing } = await orders.place(order, trace);
  if (duplicate && !(existing && isSameOrder(existing, order))) {
    return problemAnswer({ ...anotherOrder, field: "order_id", orderId });
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
