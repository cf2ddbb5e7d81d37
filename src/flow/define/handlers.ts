import type { Publisher } from "../../jetstream/publish/publisher.ts";
import type { FlowLog } from "../flow.ts";
import { asHandlers, type Handler, nothing } from "../handler.ts";
import { readEvent } from "../log-message.ts";
import type { CompiledFlow } from "./compile-flow.ts";
import type { DefinedService } from "./define-flow.ts";
import type { DataEvent } from "./event-codec.ts";
import { consumerOf } from "./flow-services.ts";
import { GivenContext, misuse, toldOf } from "./given-context.ts";
import { InTurn } from "./in-turn.ts";
import type { HandlerBreaker } from "./service-breaker.ts";
import { keyFieldOf } from "./stream-of.ts";
import type { FlowContext, ServiceDefinition } from "./types.ts";

/** What the handlers of a process work with; `breakers` and `turns` by the services' names. */
export type Working = {
  log: FlowLog & { publisher?: Publisher };
  deps: unknown;
  breakers?: ReadonlyMap<string, HandlerBreaker>;
  turns?: ReadonlyMap<string, InTurn>;
};

/** So that what a user's handlers call, a database for one, is not asked by hundreds at once. */
export const handlerConcurrency = 16;

/** The handlers of a defined flow, by consumer. */
export function definedHandlers(compiled: CompiledFlow, working: Working): Readonly<Record<string, Handler>> {
  const { defined } = compiled;
  const turns = new Map(defined.services.map(({ name }) => [name, new InTurn()]));
  const handlers = defined.services.map((each): [string, Handler<DataEvent>] => {
    const handler = handlerOf(compiled, each, { turns, ...working });
    return [consumerOf(defined, each), keepingFirstOutcome(compiled, each, { handler, log: working.log })];
  });
  return asHandlers<DataEvent>(Object.fromEntries(handlers));
}

/** One service's handler, as a worker calls it. */
export function handlerOf(
  compiled: CompiledFlow,
  defined: DefinedService,
  working: Working,
): Handler<DataEvent> {
  const { name, service } = defined;
  const { when, ordered } = service as ServiceDefinition & { when?: string };
  const breaker = working.breakers?.get(name);
  const guarded = throughBreaker(breaker, workOf(compiled, defined, working));
  const turns = ordered ? working.turns?.get(name) : undefined;
  const inTurn: Handler<DataEvent> = turns
    ? (event, context) =>
        turns.run(event.key, async () => {
          // What has waited for its turn until the work is to stop is not begun.
          context.signal.throwIfAborted();
          return guarded(event, context);
        })
    : guarded;
  if (when === undefined) return inTurn;
  return (event, context) =>
    compiled.flow.describe(event).outcome === when ? inTurn(event, context) : Promise.resolve(nothing);
}

/** The work of a user's handler, held while the breaker is open. */
export const throughBreaker = (
  breaker: HandlerBreaker | undefined,
  work: Handler<DataEvent>,
): Handler<DataEvent> =>
  breaker ? (event, context) => breaker.run(context, () => work(event, context)) : work;

function workOf(
  { defined }: CompiledFlow,
  { name, service }: DefinedService,
  working: Working,
): Handler<DataEvent> {
  const { emits = [], handle } = service;
  const { definition } = defined;
  const names = { flow: definition.name, service: name, keyField: keyFieldOf(definition) };
  const { buckets = [] } = definition;
  return async (event, context) => {
    const given = new GivenContext({ event, context, working, names, emits, buckets });
    const returned = await handle(toldOf(event), given as unknown as FlowContext);
    const isLost = emits.length > 0 && returned !== undefined && returned !== null && !given.outcome;
    if (isLost) throw misuse(names, "returns what it did not emit: return ctx.emit(kind, data)");
    return given.outcome;
  };
}

type Kept = { handler: Handler<DataEvent>; log: FlowLog };

/**
 * Of several kinds that an event may lead to, the stream takes one of each. So an event that has led to one of them goes
 * on that way: another outcome, at a later delivery, would contradict it.
 */
function keepingFirstOutcome(
  { flow }: CompiledFlow,
  { service: { emits = [], when } }: DefinedService,
  { handler, log }: Kept,
): Handler<DataEvent> {
  // A stream that takes several events of a kind cannot tell which of them this one has led to.
  if (emits.length < 2 || !flow.isManaged) return handler;
  return async (event, context) => {
    if (when !== undefined && flow.describe(event).outcome !== when) return nothing;
    const stored = await Promise.all(emits.map((kind) => readEvent(log, kind, event.key)));
    const earlier = stored.find((message) => message !== undefined && message.sequence > context.sequence);
    return earlier ? flow.decode(earlier.subject, earlier.payload) : handler(event, context);
  };
}
