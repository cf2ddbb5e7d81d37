/**
 * The attribute names that this program writes and reads: those of the messaging conventions
 * (https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/) and its own.
 */
export const attribute = {
  system: "messaging.system.name",
  operationName: "messaging.operation.name",
  operationType: "messaging.operation.type",
  destination: "messaging.destination.name",
  template: "messaging.destination.template",
  consumerGroup: "messaging.consumer.group.name",
  bodySize: "messaging.message.body.size",
  errorType: "error.type",
  orderId: "order.id",
  /** Stream sequence of the message that was consumed or stored. */
  sequence: "nats.stream.sequence",
  /** 1 for the first delivery of a message. */
  deliveryAttempt: "nats.delivery.attempt",
  /** True if the stream already held the event and refused this copy. */
  duplicate: "nats.publish.duplicate",
  /** The service that did the work, such as `payment`; one process may run several. */
  service: "orderctl.service",
  /** 1 for the first call of another system within one delivery. */
  callAttempt: "orderctl.attempt",
  /** The circuit breaker that was open; only on a span that is the wait for it. */
  breaker: "orderctl.breaker",
} as const;
