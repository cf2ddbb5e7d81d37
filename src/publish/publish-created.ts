import { OrderctlError } from "../core/errors.ts";
import { templateOf } from "../flow/delivery-report.ts";
import { takenBy } from "../flow/order-log.ts";
import type { Origin } from "../flow/process-event.ts";
import type { Publication, Stored } from "../jetstream/publish/publication.ts";
import type { Publisher } from "../jetstream/publish/publisher.ts";
import type { OrderCreated } from "../orders/events.ts";
import { readCreated } from "../orders/same-order.ts";
import { subjectOf } from "../orders/subjects.ts";
import { encodeEvent, findMessageFault } from "../orders/wire/codec.ts";
import { nowUs } from "../telemetry/clock.ts";
import { encodeHop, hopHeader } from "../telemetry/hop.ts";
import { noTelemetry, type Telemetry } from "../telemetry/telemetry.ts";
import type { TraceHeaders, Tracing } from "../telemetry/tracing/tracing.ts";

/** How one order is published: as part of which trace, and how long it is held through an outage. */
export type PublishHow = { parent?: TraceHeaders | undefined; giveUpMs?: number | undefined };

/** Resolves once the order is stored, or another is under its id; rejects as the publisher does. */
export type PublishCreated = (order: OrderCreated, how?: PublishHow) => Promise<Stored>;

/** Tracing may begin later, and is looked at with each order. */
type Reporting = { publisher: Publisher; telemetry?: Pick<Telemetry, "tracing" | "metrics"> | undefined };

/** Puts orders into the log, each as part of the trace that `parent` carries, or as the root of its own. */
export function createOrderPublisher(
  { publisher, telemetry = noTelemetry }: Reporting,
  origin: Origin,
): PublishCreated {
  const { metrics } = telemetry;
  const { service } = origin;
  const template = templateOf("created");
  const counted = metrics?.destination({ service, template });
  const report = async (message: Publication, tracing: Tracing | undefined, traced: Reported) => {
    const sentAt = performance.now();
    const { subject, payload } = message;
    const described = { subject, template, service, orderId: traced.orderId, bodyBytes: payload.length };
    const span = tracing?.publish(described, traced.parent);
    try {
      const headers = { ...message.headers, ...span?.headers };
      const stored = await publisher.publish({ ...message, headers });
      span?.stored(stored);
      counted?.stored(performance.now() - sentAt, stored.duplicate);
      return stored;
    } catch (thrown) {
      const error = OrderctlError.from(thrown);
      span?.failed(error);
      counted?.failed(performance.now() - sentAt, error.code);
      throw error;
    }
  };
  return (order, { parent, giveUpMs } = {}) => {
    const message = createdMessage(order, origin, parent);
    if (giveUpMs !== undefined) message.giveUpMs = giveUpMs;
    const { tracing } = telemetry;
    if (!tracing && !counted) return publisher.publish(message);
    return report(message, tracing, { orderId: order.orderId, parent });
  };
}

/** The order that was stored before under the id of one; undefined where none was. Throws `conflict` where that is no order. */
export function readEarlier(
  { orderId }: OrderCreated,
  { existing, sequence }: Stored,
): OrderCreated | undefined {
  if (existing === undefined) return undefined;
  const subject = subjectOf("created", orderId);
  const fault = findMessageFault(subject, existing);
  if (fault !== undefined) throw takenBy({ sequence, subject, fault }, "conflict");
  return readCreated(orderId, existing);
}

type Reported = { orderId: string; parent: TraceHeaders | undefined };

/** The message that puts an order into the log. */
export function createdMessage(
  order: OrderCreated,
  { service, instance }: Origin,
  parent: TraceHeaders = {},
): Publication {
  const now = nowUs();
  const times = { receivedAtUs: now, startedAtUs: now, finishedAtUs: now };
  const hop = encodeHop({ causeSequence: null, service, instance, attempt: 1, ...times });
  return {
    subject: subjectOf("created", order.orderId),
    payload: encodeEvent(order),
    headers: { ...parent, [hopHeader]: hop },
  };
}
