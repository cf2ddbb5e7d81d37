import { OrderctlError } from "../core/errors.ts";
import { compileDefinedFlow } from "../flow/define/compile-flow.ts";
import type { DefinedFlow } from "../flow/define/define-flow.ts";
import { eventOf, headersAs } from "../flow/define/event-codec.ts";
import { handlerOf } from "../flow/define/handlers.ts";
import { keyOfToken } from "../flow/define/key-token.ts";
import type { Data } from "../flow/define/payload.ts";
import type { DataOf, FlowEventOf, FlowTypes, KindOf } from "../flow/define/types.ts";

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

/**
 * Calls a service's handler with an event, without a broker, and returns the event that it leads to; undefined where it
 * leads to none. Both are checked as they would be on their way through the log. Rejects as the handler does.
 *
 * @param given The event, and how the handler is called.
 */
export async function runHandler<T extends FlowTypes, D>(
  defined: DefinedFlow<T, D>,
  service: string,
  { deps, attempt = 1, signal = new AbortController().signal, ...event }: GivenEvent<T> & HandlerOptions<D>,
): Promise<FlowEventOf<T> | undefined> {
  const compiled = await compileDefinedFlow(defined as unknown as DefinedFlow);
  const { flow } = compiled;
  const own = compiled.defined.services.find(
    ({ name, service: { on } }) => name === service && on === event.kind,
  );
  if (!own) throw new OrderctlError("usage", `service ${service} does not work on ${event.kind}`);
  const through = (each: ReturnType<typeof eventOf>) =>
    flow.decode(flow.subjectOf(each.kind, each.key), flow.encode(each), headersAs(flow, each));
  const given = through(eventOf(compiled.defined.definition.key, event.kind, { ...event.data } as Data));
  const outcome = await handlerOf(compiled, own, { log: noLog, deps })(given, {
    ...{ sequence: 1, attempt, signal },
    watchCall: () => ({ end: () => {} }),
    watchHold: () => () => {},
    onStored: () => {},
  });
  if (!outcome) return undefined;
  const { kind, key, data } = through(outcome);
  return { kind, key: keyOfToken(key) ?? key, data } as FlowEventOf<T>;
}

/** What a handler reads is tried with `testFlow`. */
const noLog = {
  get connection(): never {
    throw new OrderctlError("usage", "ctx.read needs a log: try this handler with testFlow");
  },
} as never;
