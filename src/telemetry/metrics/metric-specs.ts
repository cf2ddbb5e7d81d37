/** One metric: its name, its unit in UCUM notation (`s`, `By`, `{message}`) and what it measures. */
export type MetricSpec = { name: string; unit: string; description: string };

/**
 * All metrics that flows export; Node's own metrics are exported in addition. The first four are from the messaging
 * conventions: https://opentelemetry.io/docs/specs/semconv/messaging/messaging-metrics/
 */
export const metricSpecs = {
  operationDuration: {
    name: "messaging.client.operation.duration",
    unit: "s",
    description: "From sending a message to the broker's answer that it is stored",
  },
  sentMessages: {
    name: "messaging.client.sent.messages",
    unit: "{message}",
    description: "Messages sent to the broker, by destination; failed ones have an error type",
  },
  consumedMessages: {
    name: "messaging.client.consumed.messages",
    unit: "{message}",
    description: "Deliveries that a worker received and looked into, repeated ones included",
  },
  processDuration: {
    name: "messaging.process.duration",
    unit: "s",
    description: "From receiving a delivery to answering it; failed ones have an error type",
  },
  deliveryWait: {
    name: "orderctl.delivery.wait",
    unit: "s",
    description: "From the moment the broker stored a message to the worker that received it",
  },
  retries: {
    name: "orderctl.retries",
    unit: "{delivery}",
    description: "Deliveries handed back to the broker, to come again",
  },
  workerInFlight: {
    name: "orderctl.worker.in_flight",
    unit: "{delivery}",
    description: "Deliveries being worked on in this process",
  },
  consumerPending: {
    name: "orderctl.consumer.pending",
    unit: "{message}",
    description: "Messages that match a consumer's filter and were not delivered yet",
  },
  consumerAckPending: {
    name: "orderctl.consumer.ack_pending",
    unit: "{message}",
    description: "Messages delivered to a consumer and not acknowledged",
  },
  consumerRedelivered: {
    name: "orderctl.consumer.redelivered",
    unit: "{message}",
    description: "Messages not acknowledged that were delivered more than once",
  },
  consumerOldestAge: {
    name: "orderctl.consumer.oldest_age",
    unit: "s",
    description:
      "Age of the oldest message that a consumer has not acknowledged; 0 without backlog, absent where it is not known",
  },
  streamMessages: {
    name: "orderctl.stream.messages",
    unit: "{message}",
    description: "Messages in a stream",
  },
  streamBytes: { name: "orderctl.stream.bytes", unit: "By", description: "Size of a stream" },
  deadLetters: {
    name: "orderctl.dead_letters",
    unit: "{message}",
    description: "Messages given up on, waiting for somebody to decide",
  },
  archiveMovedTo: {
    name: "orderctl.archive.moved_to",
    unit: "{sequence}",
    description: "The last sequence of the log that is archived; 0 where nothing is",
  },
  archiveMovedToTime: {
    name: "orderctl.archive.moved_to_time",
    unit: "s",
    description: "When the last archived message was stored, Unix time; absent where nothing is archived",
  },
  archiveSegments: {
    name: "orderctl.archive.segments",
    unit: "{segment}",
    description: "Segments that the log is archived in",
  },
  archiveBytes: {
    name: "orderctl.archive.bytes",
    unit: "By",
    description: "Size of the segments' messages in the store",
  },
  archiveBehind: {
    name: "orderctl.archive.behind",
    unit: "{message}",
    description:
      "Messages that are older than the broker is to keep and not archived, those of a segment that is not whole among them",
  },
  archiveLag: {
    name: "orderctl.archive.lag",
    unit: "s",
    description:
      "For how long the next segment could have been written; 0 while it is not whole or not old enough",
  },
  archiveHeldBack: {
    name: "orderctl.archive.held_back",
    unit: "s",
    description:
      "Age of the message that a consumer has not settled and that therefore cannot be archived; absent where none does",
  },
  archiveProblems: {
    name: "orderctl.archive.problems",
    unit: "{problem}",
    description: "What keeps the archiver from its work, but for a consumer that holds it back",
  },
  breakerState: {
    name: "orderctl.breaker.state",
    unit: "{state}",
    description: "State of a circuit breaker: 0 closed, 1 half-open, 2 open",
  },
} as const satisfies Record<string, MetricSpec>;
