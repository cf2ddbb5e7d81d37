import { OrderctlError } from "../core/errors.ts";
import type { DataOf, FlowEventOf, FlowTypes, KindOf } from "../flow/define/types.ts";
import type { FlowEvent } from "../flow/flow.ts";
import { testableOf } from "./own-testable.ts";
import type { Tested } from "./test-flow.ts";

export type HandlerOptions<D> = {
  /** What the handler gets as `ctx.deps`. */
  deps?: D;
  /** Of the delivery; 1 by default. */
  attempt?: number;
  signal?: AbortSignal;
};

/** An event as a test gives it. */
export type GivenEvent<T extends FlowTypes> = {
  [K in KindOf<T>]: { kind: K; data: DataOf<T, K> };
}[KindOf<T>];

/**
 * Calls a service's handler with an event, without a broker, and returns the event that it leads to; undefined where it
 * leads to none. Both are checked as they would be on their way through the log. Rejects as the handler does.
 */
export async function runHandler<T extends FlowTypes, D>(
  defined: Tested<T, D>,
  service: string,
  { deps, attempt = 1, signal = new AbortController().signal, ...event }: GivenEvent<T> & HandlerOptions<D>,
): Promise<FlowEventOf<T> | undefined> {
  const { flow, eventOf, handlerOf, toldOf } = await testableOf(defined);
  const handler = handlerOf(service, event.kind, { log: noLog, deps });
  const through = (each: FlowEvent) =>
    flow.decode(flow.subjectOf(each.kind, flow.keyOf(each)), flow.encode(each));
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
