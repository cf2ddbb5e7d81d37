import { OrderctlError } from "../core/errors.ts";
import { headersAs } from "../flow/define/event-codec.ts";
import type { DataOf, FlowEventOf, FlowTypes, KindOf } from "../flow/define/types.ts";
import type { FlowEvent } from "../flow/flow.ts";
import type { TestableFlow } from "../flow/testable-flow.ts";

/** How a handler is called; nothing of it is needed. */
export type HandlerOptions<D> = {
  /** What the handler gets as `ctx.deps`. */
  deps?: D;
  /** Of the delivery; 1 by default. */
  attempt?: number;
  /** What the handler gets as `ctx.signal`; one that never aborts by default. */
  signal?: AbortSignal;
};

/** An event as a test gives it: its kind, and its fields with the key among them. */
export type GivenEvent<T extends FlowTypes> = {
  [K in KindOf<T>]: { kind: K; data: DataOf<T, K> };
}[KindOf<T>];

/** As `runHandler` promises. */
export async function callHandler<T extends FlowTypes>(
  { flow, eventOf, handlerOf, toldOf }: TestableFlow,
  service: string,
  {
    deps,
    attempt = 1,
    signal = new AbortController().signal,
    ...event
  }: GivenEvent<T> & HandlerOptions<unknown>,
): Promise<FlowEventOf<T> | undefined> {
  const handler = handlerOf(service, event.kind, { log: noLog, deps });
  const through = (each: FlowEvent) =>
    flow.decode(flow.subjectOf(each.kind, flow.keyOf(each)), flow.encode(each), headersAs(flow, each));
  const outcome = await handler(through(eventOf(event.kind, event.data)), {
    ...{ sequence: 1, attempt, signal },
    watchCall: () => ({ end: () => {} }),
    watchHold: () => () => {},
    onStored: () => {},
  });
  return outcome && (toldOf(through(outcome)) as FlowEventOf<T>);
}

/** What a handler reads is tried with `testFlow`. */
const noLog = {
  get connection(): never {
    throw new OrderctlError("usage", "ctx.read needs a log: try this handler with testFlow");
  },
} as never;
