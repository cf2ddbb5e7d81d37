import type { Delivery } from "../jetstream/delivery.ts";
import type { Stored } from "../jetstream/publication.ts";
import type { Processor } from "../jetstream/worker.ts";
import { decodeEvent, encodeEvent } from "../orders/codec.ts";
import type { OrderEvent } from "../orders/events.ts";
import { subjectOf } from "../orders/subjects.ts";
import type { Handler, HandlerContext } from "../services/handler.ts";
import { nowUs } from "../telemetry/clock.ts";
import { encodeHop, hopHeader } from "../telemetry/hop.ts";

/** Who works: written into every event that it stores. */
export type Origin = { service: string; instance: string };

/**
 * Binds a service's handler to the log: decodes the event, calls the handler, encodes its outcome and says in the
 * hop header who did what when. Hot path: ~8 µs beside the handler.
 */
export const processWith =
  (handler: Handler, { service, instance }: Origin): Processor =>
  async (delivery, signal) => {
    const receivedAtUs = nowUs();
    const event = decodeEvent(delivery.subject, delivery.payload);
    const context = new DeliveryContext(delivery, signal);
    const outcome = await handler(event, context);
    if (!outcome) return undefined;
    const hop = encodeHop({
      causeSequence: delivery.sequence,
      service,
      instance,
      attempt: delivery.attempt,
      receivedAtUs,
      startedAtUs: receivedAtUs,
      finishedAtUs: nowUs(),
    });
    const store = {
      subject: subjectOf(outcome.kind, outcome.orderId),
      payload: encodeEvent(outcome),
      headers: headersAfter(delivery, hop),
    };
    return context.tell ? { store, onStored: (stored) => context.tellStored(outcome, stored) } : { store };
  };

class DeliveryContext implements HandlerContext {
  readonly signal: AbortSignal;
  tell: ((stored: OrderEvent) => void) | undefined;
  readonly #delivery: Delivery;

  constructor(delivery: Delivery, signal: AbortSignal) {
    this.#delivery = delivery;
    this.signal = signal;
  }

  get sequence(): number {
    return this.#delivery.sequence;
  }

  get attempt(): number {
    return this.#delivery.attempt;
  }

  onStored(callback: (stored: OrderEvent) => void): void {
    this.tell = callback;
  }

  tellStored(outcome: OrderEvent, { existing }: Stored): void {
    const subject = subjectOf(outcome.kind, outcome.orderId);
    this.tell?.(existing ? decodeEvent(subject, existing) : outcome);
  }
}

/** Hands on the W3C trace context that came with the causing event, so that one trace spans the whole order. */
function headersAfter(delivery: Delivery, hop: string): Record<string, string> {
  const traceparent = delivery.header("traceparent");
  if (traceparent === undefined) return { [hopHeader]: hop };
  const tracestate = delivery.header("tracestate");
  return { traceparent, ...(tracestate === undefined ? {} : { tracestate }), [hopHeader]: hop };
}
