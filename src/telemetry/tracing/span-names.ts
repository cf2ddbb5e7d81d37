/**
 * Attribute names of the messaging conventions that this program writes and reads
 * (https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/), and its own.
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
  /** Sequence of the message in its stream: of the one consumed, or of the one stored. */
  sequence: "nats.stream.sequence",
  /** 1 for the first delivery of a message. */
  deliveryAttempt: "nats.delivery.attempt",
  /** True where the stream held the event already and refused this one. */
  duplicate: "nats.publish.duplicate",
  /** Which service of this program did it: `payment`, also where one process runs several. */
  service: "orderctl.service",
  /** 1 for the first call of the gateway within one delivery. */
  callAttempt: "orderctl.attempt",
  /** The circuit breaker that was open: the span is a wait for it. */
  breaker: "orderctl.breaker",
} as const;
