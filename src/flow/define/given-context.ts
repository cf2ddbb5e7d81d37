import { OrderctlError } from "../../core/errors.ts";
import { RetryLater } from "../../jetstream/consume/retry-later.ts";
import type { FlowLog } from "../flow.ts";
import type { HandlerContext } from "../handler.ts";
import { readEvent } from "../log-message.ts";
import { callEffect, type Effect } from "./effect.ts";
import type { DataEvent } from "./event-codec.ts";
import { keyOfToken } from "./key-token.ts";
import type { CallOptions, Emission, FlowEventOf } from "./types.ts";

/** Whose delivery it is. */
export type Names = { flow: string; service: string; keyField: string };

export type Given = {
  event: DataEvent;
  context: HandlerContext<DataEvent>;
  working: { log: FlowLog; deps: unknown };
  names: Names;
  emits: readonly string[];
};

/** What `deps` is where nothing was opened, as in a replay. */
export const noDeps = Symbol("no deps");

/** An event as handlers see it. */
export const toldOf = ({ kind, key, data }: DataEvent): FlowEventOf => ({
  kind,
  key: keyOfToken(key) ?? key,
  data,
});

/**
 * `FlowContext`. Its functions may be taken off it: `({ data }, { emit }) => emit(…)`. Hot path: each is made when it is
 * asked for, as most events need one of them.
 */
export class GivenContext {
  readonly #given: Given;
  /** As the event had it, whatever the handler does to its data. */
  readonly #ownKey: unknown;
  outcome: DataEvent | undefined;

  constructor(given: Given) {
    this.#given = given;
    this.#ownKey = given.event.data[given.names.keyField];
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
    const { deps } = this.#given.working;
    if (deps !== noDeps) return deps;
    throw new OrderctlError("usage", "ctx.deps is opened by `serve` alone: a replay calls nothing outside");
  }

  get emit() {
    return (kind: string, data: Record<string, unknown>): Emission => this.#emit(kind, data);
  }

  #emit(kind: string, data: Record<string, unknown>): Emission {
    const { event, emits, names } = this.#given;
    if (!emits.includes(kind))
      throw misuse(names, `emits ${kind}, and says that it emits ${emits.join(", ") || "nothing"}`);
    if (this.outcome)
      throw misuse(names, `emits ${kind} beside ${this.outcome.kind}: an event leads to one event`);
    const { keyField } = names;
    if (data[keyField] !== undefined && data[keyField] !== this.#ownKey)
      throw misuse(names, `emits ${kind} about another ${keyField} than that of its event`);
    this.outcome = { kind, key: event.key, data: { ...data, [keyField]: this.#ownKey } };
    return { kind };
  }

  get call() {
    return <R>(name: string, effect: Effect<R>, options?: CallOptions): Promise<R> =>
      this.#call(name, effect, options);
  }

  #call<R>(name: string, effect: Effect<R>, options: CallOptions = {}): Promise<R> {
    const { names, event, context } = this.#given;
    // The key as its token: no other one can be made to look like it, and a header may hold it.
    const parts = [names.flow, names.service, event.kind, event.key, encodeURIComponent(name)];
    return callEffect({ name, idempotencyKey: parts.join("/"), context }, effect, options);
  }

  get read() {
    return (kind: string): Promise<FlowEventOf | undefined> => this.#read(kind);
  }

  async #read(kind: string): Promise<FlowEventOf | undefined> {
    const { working, event } = this.#given;
    const { log } = working;
    const stored = await readEvent(log, kind, event.key);
    return stored && toldOf(log.flow.decode(stored.subject, stored.payload) as DataEvent);
  }

  get onStored() {
    const { context } = this.#given;
    return (callback: (stored: FlowEventOf) => void): void =>
      context.onStored((stored) => callback(toldOf(stored)));
  }

  get retryIn() {
    return (ms: number, why: string): never => {
      if (!(ms >= 0 && ms <= mostLaterMs)) throw misuse(this.#given.names, `asks for its event in ${ms} ms`);
      throw new RetryLater(ms, why);
    };
  }

  get giveUp() {
    return (why: string): never => {
      throw new OrderctlError("unprocessable", why, { source: "message" });
    };
  }
}

const mostLaterMs = 7 * 24 * 3600 * 1000;

/** The error for a handler that does what its definition does not say: no other attempt would help. */
export const misuse = ({ flow, service }: Names, what: string): OrderctlError =>
  new OrderctlError("unprocessable", `service ${service} of ${flow} ${what}`, { source: "message" });
