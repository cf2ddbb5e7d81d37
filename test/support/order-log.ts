import { openArchivedLog } from "../../src/archive/open-archived-log.ts";
import type { FlowLog } from "../../src/flow/flow.ts";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { orderFlow } from "../../src/orders/built-in-flow.ts";
import type { OrderEvent } from "../../src/orders/events.ts";

/** As `orderLog`, of a flow without services: nobody is handed its events, so that all of them may be archived. */
export const idleLog = (connection: Connection): FlowLog<OrderEvent> => ({
  ...orderLog(connection),
  flow: { ...orderFlow, subscriptions: [] },
});

/** The log of the orders at a broker. */
export const orderLog = (connection: Connection): FlowLog<OrderEvent> => ({
  connection,
  flow: orderFlow,
  archive: openArchivedLog(connection, orderFlow),
});
