import { placeOfCaller } from "../flow/define/call-place.ts";
import type { DepsOptions } from "../flow/define/define-flow.ts";
import { definitionFault } from "../flow/define/definition-fault.ts";
import { FlowVariant } from "../flow/define/flow-variant.ts";
import type { FlowContext, FlowEventOf } from "../flow/define/types.ts";
import type { EventKind, EventOf } from "./events.ts";

/** The events of the built-in flow, as handlers and tests see them. */
export type OrderTypes = {
  key: "orderId";
  events: { [K in EventKind]: Omit<EventOf<K>, "kind"> };
};

/** What a customer is told of: that the order is on its way, that its payment was declined, or that it is refunded. */
export type OrderEnding = {
  [K in "shipments" | "payments" | "refunds"]: FlowEventOf<OrderTypes, K>;
}["shipments" | "payments" | "refunds"];

/** What the handler gets beside the event: as in a flow of one's own, without what stores events. */
export type OrderContext<Deps = unknown> = Omit<
  FlowContext<OrderTypes, never, Deps>,
  "emit" | "onStored" | "bucket" | "settledTo"
>;

/** A user's code for the notification service. */
export type NotificationCode<Deps = undefined> = {
  /** What the handler gets as `ctx.deps`: opened once in each process that runs the service, and by no other command. */
  deps?(options: DepsOptions): Deps | Promise<Deps>;
  /** Called with what was opened, after the last delivery. */
  close?(deps: Deps): unknown;
  /** What the notification in the log says of how the customer was told; `email` by default. */
  channel?: string;
  /** Events in work at the same time in one process and for one kind of events; 16 by default. */
  concurrency?: number;
  /**
   * Tells the customer. The notification is stored once it has resolved; to throw means *again later*. It may be called
   * again with the same event, at any time and in any process. What it returns means nothing.
   */
  handle(event: OrderEnding, context: OrderContext<Deps>): unknown;
};

/** The built-in flow, with a user's code for its notifications. */
export class OrderFlow<Deps = undefined> extends FlowVariant<OrderTypes, Deps> {
  readonly name = "orders";
  readonly notification: NotificationCode<unknown> | undefined;

  constructor(notification?: NotificationCode<Deps>) {
    super();
    this.notification = notification as NotificationCode<unknown> | undefined;
  }

  /**
   * The same flow with another handler of a service. All else stays as it is: subjects, consumers, the events that are
   * stored. Throws `usage`, with file and line, for what cannot be replaced.
   */
  replace<D = undefined>(service: "notification", code: NotificationCode<D>): OrderFlow<D> {
    const place = placeOfCaller();
    const fault = faultOf(service, code as Partial<NotificationCode<unknown>> | undefined);
    if (fault !== undefined) throw definitionFault(place, `orders.replace: ${fault}`);
    return new OrderFlow<D>(code);
  }
}

/** The built-in flow, for a module that exports it with a handler replaced. */
export const orders = new OrderFlow();

function faultOf(service: string, code: Partial<NotificationCode<unknown>> | undefined): string | undefined {
  if (service !== "notification")
    return `the handler of ${service} cannot be replaced, that of notification can`;
  if (typeof code?.handle !== "function") return "notification has no handler: handle(event, ctx)";
  const { channel = "email", concurrency = 1 } = code;
  if (typeof channel !== "string" || channel === "") return `channel is ${JSON.stringify(channel)}, no text`;
  if (Number.isInteger(concurrency) && concurrency > 0) return undefined;
  return `concurrency is ${JSON.stringify(concurrency)}, no number from 1 on`;
}
