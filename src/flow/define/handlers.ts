import { setTimeout as wait } from "node:timers/promises";
import { OrderctlError } from "../../core/errors.ts";
import { RetryLater } from "../../jetstream/consume/retry-later.ts";
import type { FlowLog } from "../flow.ts";
import { asHandlers, type Handler, type HandlerContext, nothing } from "../handler.ts";
import { readEvent } from "../log-message.ts";
import type { CompiledFlow } from "./compile-flow.ts";
import type { DefinedService } from "./define-flow.ts";
import type { DataEvent } from "./event-codec.ts";
import { consumerOf } from "./flow-services.ts";
import { InTurn } from "./in-turn.ts";
import { keyOfToken } from "./key-token.ts";
import type { HandlerBreaker } from "./service-breaker.ts";
import type {
  CallOptions,
  EffectCall,
  Emission,
  FlowContext,
  FlowEventOf,
  ServiceDefinition,
} from "./types.ts";

const defaultTimeoutMs = 10_000;
const defaultAttempts = 3;
const firstBackoffMs = 100;

/** What the handlers of a process work with; `breakers` and `turns` by the services' names. */
export type Working = {
  log: FlowLog;
  deps: unknown;
  breakers?: ReadonlyMap<string, HandlerBreaker>;
  turns?: ReadonlyMap<string, InTurn>;
};

/** The handlers of a defined flow, by consumer. */
export function definedHandlers(compiled: CompiledFlow, working: Working): Readonly<Record<string, Handler>> {
  const { defined } = compiled;
  const turns = new Map(defined.services.map(({ name }) => [name, new InTurn()]));
  const handlers = defined.services.map(
    (each) => [consumerOf(defined, each), handlerOf(compiled, each, { turns, ...working })] as const,
  );
  return asHandlers<DataEvent>(Object.fromEntries(handlers));
}

/** One service's handler, as a worker calls it. */
export function handlerOf(
  { defined, flow }: CompiledFlow,
  { name, service }: DefinedService,
  working: Working,
): Handler<DataEvent> {
  const { when, handle } = service as ServiceDefinition & { when?: string };
  const { definition } = defined;
  const work: Handler<DataEvent> = async (event, context) => {
    const names = { flow: definition.name, service: name, keyField: definition.key };
    const given = new GivenContext({ event, context, working, names, emits: service.emits ?? [] });
    const returned = await handle(toldOf(event), given as unknown as FlowContext);
    if (returned !== undefined && !given.outcome)
      throw misuse(names, "returns what it did not emit: return ctx.emit(kind, data)");
    return given.outcome;
  };
  const breaker = working.breakers?.get(name);
  const guarded: Handler<DataEvent> = (event, context) => {
    if (!breaker) return work(event, context);
    const { sequence, signal } = context;
    const watchHold = (held: string) => context.watchHold(held);
    return breaker.run({ sequence, signal, watchHold }, () => work(event, context));
  };
  const turns = service.ordered ? working.turns?.get(name) : undefined;
  return async (event, context) => {
    if (when !== undefined && flow.describe(event).outcome !== when) return nothing;
    return turns ? turns.run(event.key, () => guarded(event, context)) : guarded(event, context);
  };
}

/** An event as handlers see it. */
const toldOf = ({ kind, key, data }: DataEvent): FlowEventOf => ({ kind, key: keyOfToken(key) ?? key, data });

type Names = { flow: string; service: string; keyField: string };

type Given = {
  event: DataEvent;
  context: HandlerContext<DataEvent>;
  working: Working;
  names: Names;
  emits: readonly string[];
};

/** Its functions may be taken off it: `({ data }, { emit }) => emit(…)`. */
class GivenContext {
  readonly #given: Given;
  outcome: DataEvent | undefined;

  constructor(given: Given) {
    this.#given = given;
  }

  get sequence(): number {
    return this.#given.context.sequence;
  }

  get attempt(): number {
    return this.#given.context.attempt;
  }

  get signal(): AbortSignal {
    return this.#given.context.signal;
  }

  get deps(): unknown {
    return this.#given.working.deps;
  }

  readonly emit = (kind: string, data: Record<string, unknown>): Emission => {
    const { event, emits, names } = this.#given;
    if (!emits.includes(kind))
      throw misuse(names, `emits ${kind}, and says that it emits ${emits.join(", ") || "nothing"}`);
    if (this.outcome)
      throw misuse(names, `emits ${kind} beside ${this.outcome.kind}: an event leads to one event`);
    const { keyField } = names;
    const own = event.data[keyField];
    if (data[keyField] !== undefined && data[keyField] !== own)
      throw misuse(names, `emits ${kind} about another ${keyField} than that of its event`);
    this.outcome = { kind, key: event.key, data: { ...data, [keyField]: own } };
    return { kind };
  };

  readonly call = async <R>(
    name: string,
    effect: (io: EffectCall) => Promise<R> | R,
    options: CallOptions = {},
  ): Promise<R> => {
    const { attempts = defaultAttempts } = options;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#attempt(name, effect, { ...options, attempt });
      } catch (thrown) {
        if (attempt >= attempts || this.signal.aborted || isFinal(thrown)) throw thrown;
        await wait(firstBackoffMs * 2 ** (attempt - 1) * (0.75 + Math.random() / 2), undefined, {
          signal: this.signal,
        });
      }
    }
  };

  async #attempt<R>(
    name: string,
    effect: (io: EffectCall) => Promise<R> | R,
    { attempt, timeoutMs = defaultTimeoutMs }: CallOptions & { attempt: number },
  ): Promise<R> {
    const { names, event, context } = this.#given;
    const timeout = AbortSignal.timeout(timeoutMs);
    const signal = AbortSignal.any([this.signal, timeout]);
    const watched = context.watchCall(name, attempt);
    const key = keyOfToken(event.key) ?? event.key;
    const idempotencyKey = `${names.flow}/${names.service}/${key}/${name}`;
    try {
      const calling = Promise.resolve(
        effect({ idempotencyKey, signal, attempt, headers: watched.headers ?? {} }),
      );
      const result = await Promise.race([calling, aborted(signal)]);
      watched.end();
      return result;
    } catch (thrown) {
      const error =
        timeout.aborted && !this.signal.aborted ? tookTooLong(name, timeoutMs) : effectError(name, thrown);
      watched.end(error);
      throw error;
    }
  }

  readonly read = async (kind: string): Promise<FlowEventOf | undefined> => {
    const { working, event } = this.#given;
    const { log } = working;
    const stored = await readEvent(log, kind, event.key);
    return stored && toldOf(log.flow.decode(stored.subject, stored.payload) as DataEvent);
  };

  readonly onStored = (callback: (stored: FlowEventOf) => void): void => {
    this.#given.context.onStored((stored) => callback(toldOf(stored)));
  };

  readonly retryIn = (ms: number, why: string): never => {
    throw new RetryLater(ms, why);
  };

  readonly giveUp = (why: string): never => {
    throw new OrderctlError("unprocessable", why, { source: "message" });
  };
}

const misuse = ({ flow, service }: Names, what: string): OrderctlError =>
  new OrderctlError("unprocessable", `service ${service} of ${flow} ${what}`, { source: "message" });

const tookTooLong = (name: string, timeoutMs: number): OrderctlError =>
  new OrderctlError("timeout", `${name}: no answer within ${timeoutMs / 1000} s`, { source: "dependency" });

/** Errors of orderctl's own keep what they say of themselves; what an effect throws is its own. */
function effectError(name: string, thrown: unknown): OrderctlError {
  if (thrown instanceof OrderctlError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new OrderctlError("unavailable", `${name}: ${message}`, { cause: thrown, source: "dependency" });
}

const isFinal = (thrown: unknown): boolean => thrown instanceof OrderctlError && thrown.source === "message";

const aborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
