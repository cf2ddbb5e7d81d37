import type { FlowCounters } from "../flow/flow.ts";
import type { MetricSpec } from "../telemetry/metrics/metric-specs.ts";
import { createReasons, type Metrics, memo } from "../telemetry/metrics/metrics.ts";
import type { OrderEvent } from "./events.ts";

/** Metrics of the order flow, in addition to those of every flow. */
export const orderMetrics = {
  gatewayDuration: {
    name: "orderctl.gateway.duration",
    unit: "s",
    description: "One call of the payment gateway; failed ones have an error type",
  },
  payments: {
    name: "orderctl.payments",
    unit: "{payment}",
    description: "Payments decided, by outcome, declined ones by the gateway's reason",
  },
  ordersEnded: {
    name: "orderctl.orders.ended",
    unit: "{order}",
    description: "Orders whose customer was notified, by outcome",
  },
  orderDuration: {
    name: "orderctl.order.duration",
    unit: "s",
    description: "From an order's first event in the log to its last",
  },
} as const satisfies Record<string, MetricSpec>;

/**
 * Declined payments are counted by reason: reasons beyond the first 50, and texts that are not short names, count as
 * `other`.
 */
export function createOrderCounters(metrics: Metrics): FlowCounters<OrderEvent> {
  const reasonOf = createReasons();
  const calls = memo((operation: string) =>
    memo((error: string | undefined) =>
      metrics.duration(orderMetrics.gatewayDuration, {
        operation,
        ...(error === undefined ? {} : { "error.type": error }),
      }),
    ),
  );
  const approved = memo(() => metrics.counter(orderMetrics.payments, { outcome: "approved" }));
  const declined = memo((reason: string) =>
    metrics.counter(orderMetrics.payments, { outcome: "declined", reason }),
  );
  const ended = memo((outcome: string) => ({
    orders: metrics.counter(orderMetrics.ordersEnded, { outcome }),
    duration: metrics.duration(orderMetrics.orderDuration, { outcome }),
  }));
  return {
    called: (operation, durationMs, errorType) => calls(operation)(errorType).record(durationMs),
    stored(event, sinceMs) {
      if (event.kind === "payments")
        (event.status === "APPROVED" ? approved(undefined) : declined(reasonOf(event.reason))).add();
      if (event.kind !== "notifications") return;
      const { orders, duration } = ended(event.type.toLowerCase());
      orders.add();
      if (sinceMs !== undefined) duration.record(sinceMs);
    },
  };
}
