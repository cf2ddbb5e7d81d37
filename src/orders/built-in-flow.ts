import type { Flow } from "../flow/flow.ts";
import { orderAudit } from "./audit/flow-audit.ts";
import { archiveColumns, describeEvent, documentOf, phraseOf, totalOf } from "./describe-event.ts";
import type { EventKind, OrderEvent } from "./events.ts";
import { orderShape } from "./flow.ts";
import { createOrderCounters } from "./metrics.ts";
import { isSameEvent } from "./same-order.ts";
import { decodeEvent, encodeEvent } from "./wire/codec.ts";
import { type EventStatus, hasOtherStatus } from "./wire/peek-status.ts";

/** The order flow, in the form in which the code for any flow uses it. */
export const orderFlow: Flow<OrderEvent> = {
  ...orderShape,
  decode: decodeEvent,
  encode: encodeEvent,
  keyOf: ({ orderId }) => orderId,
  hasOtherStatus: (kind, payload, status) =>
    hasOtherStatus(kind as EventKind, payload, status as EventStatus),
  isSame: isSameEvent,
  describe: describeEvent,
  phrase: (kind, outcome) => phraseOf(kind as EventKind, outcome),
  totalOf,
  document: documentOf,
  columns: archiveColumns,
  audit: orderAudit,
  countersOf: createOrderCounters,
};
