import { OrderctlError } from "../../core/errors.ts";
import { RetryLater } from "../../jetstream/consume/retry-later.ts";
import type { Publisher } from "../../jetstream/publish/publisher.ts";
import { readAckFloor } from "../../jetstream/streams/apply-topology.ts";
import { Bucket } from "../../jetstream/streams/bucket.ts";
import type { Flow, FlowLog, Subscription } from "../flow.ts";
import type { HandlerContext } from "../handler.ts";
import { consumersOf } from "../log-consumers.ts";
import { readEvent } from "../log-message.ts";
import { partitionOf } from "../partition.ts";
import { callEffect, type Effect } from "./effect.ts";
import type { DataEvent } from "./event-codec.ts";
import { bucketOnBroker, serviceOnBroker } from "./flow-services.ts";
import { keyOfToken } from "./key-token.ts";
import type { CallOptions, Emission, FlowBucket, FlowEventOf } from "./types.ts";

/** Whose delivery it is. */
export type Names = { flow: string; service: string; keyField: string | undefined };

export type Given = {
  event: DataEvent;
  context: HandlerContext<DataEvent>;
  working: { log: FlowLog & { publisher?: Publisher }; deps: unknown };
  names: Names;
  emits: readonly string[];
  buckets: readonly string[];
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
    const { keyField } = given.names;
    const { data, key } = given.event;
    this.#ownKey = keyField === undefined ? undefined : (data[keyField] ?? keyOfToken(key));
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
    if (keyField === undefined) {
      this.outcome = { kind, key: event.key, data };
      return { kind };
    }
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
    return stored && toldOf(log.flow.decode(stored.subject, stored.payload, stored) as DataEvent);
  }

  get bucket() {
    return (name: string): FlowBucket => this.#bucket(name);
  }

  #bucket(name: string): FlowBucket {
    const { working, names, buckets } = this.#given;
    const { connection, publisher } = working.log;
    if (!buckets.includes(name))
      throw misuse(names, `asks for the bucket ${name}, and the flow has ${buckets.join(", ") || "none"}`);
    if (!publisher)
      throw new OrderctlError("usage", "ctx.bucket is for `serve` alone: a replay changes nothing outside");
    const bucket = new Bucket(connection, publisher, bucketOnBroker(names.flow, name));
    return {
      read: (key) => bucket.read(key),
      write: (key, value, revision) => bucket.write({ key, value, revision }),
    };
  }

  get settledTo() {
    return (): Promise<number> => this.#settledTo();
  }

  #settledTo(): Promise<number> {
    const { working, names, event } = this.#given;
    const { flow, connection } = working.log;
    const service = serviceOnBroker(names.flow, names.service);
    const all = consumersOf(flow, service);
    const own = flow.partitions === undefined ? undefined : all[partitionOf(event.key, flow.partitions)];
    const taking = all.find(({ subscriptions }) => subscriptions.some((each) => isFor(each, flow, event)));
    const { consumer = "" } = (all[0]?.inOrder ? own : taking) ?? {};
    return readAckFloor(connection, flow.stream, consumer);
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

const isFor = ({ on, when }: Subscription, flow: Flow, event: DataEvent): boolean =>
  on === event.kind && (when === undefined || flow.describe(event).outcome === when);

const mostLaterMs = 7 * 24 * 3600 * 1000;

/** The error for a handler that does what its definition does not say: no other attempt would help. */
export const misuse = ({ flow, service }: Names, what: string): OrderctlError =>
  new OrderctlError("unprocessable", `service ${service} of ${flow} ${what}`, { source: "message" });
