import { OrderctlError } from "../errors.ts";
import type { Connection } from "../jetstream/connection.ts";
import { checkOrderId, ordersStream } from "../orders/subjects.ts";
import { readOrder } from "../pipeline/order-log.ts";
import { buildTimeline } from "../pipeline/order-timeline.ts";
import { nowUs } from "../telemetry/clock.ts";
import { orderTree } from "../views/order-tree.ts";
import type { Online, Register } from "./act.ts";
import { explainMissingLog } from "./missing-log.ts";
import { withConnection } from "./options.ts";

export const registerTrace: Register = (command, act) => {
  withConnection(
    command.argument("<orderId>", "an order's id, or the subject of one of its events", parseOrderId),
  ).action(act.online(traceOrder));
};

/** Ids are often pasted with the subject they were seen in: `ORDERS.created.<orderId>`. */
const parseOrderId = (text: string): string => checkOrderId(text.trim().split(".").at(-1) ?? "", "usage");

async function traceOrder(
  { connection, terminal }: Online,
  _options: unknown,
  [orderId = ""]: string[],
): Promise<void> {
  const logged = await readOrder(connection, orderId).catch((thrown) => {
    throw explainMissingLog(thrown, connection);
  });
  if (logged.length === 0) throw unknownOrder(orderId, connection);
  terminal.show("order-trace", buildTimeline(logged, nowUs()), orderTree);
}

const unknownOrder = (orderId: string, { server }: Connection): OrderctlError =>
  new OrderctlError("not_found", `stream ${ordersStream} at ${server} holds no event of order ${orderId}`, {
    hint: "was it published to another server (--server)? `orderctl audit` counts the orders of this one",
  });
