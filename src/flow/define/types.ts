import type { KeyPlace } from "./existing-layout.ts";
import type { StandardSchema } from "./json-payload.ts";

/**
 * What `tsc` knows of a flow: the field that is the key, and what an event of each kind says. `orderctl flow types`
 * writes it from `.proto` files.
 */
export type FlowTypes = {
  /** The name of the field, as a type: `"claimId"`. */
  key: string;
  /** By kind, what an event of it says. */
  events: Readonly<Record<string, object>>;
};

/** The names of the kinds of events. */
export type KindOf<T extends FlowTypes> = keyof T["events"] & string;

/** What an event of the kind says. */
export type DataOf<T extends FlowTypes, K extends KindOf<T>> = T["events"][K];

/** What a handler says of an event: its key is that of the event that it follows from, and may be left out. */
export type GivenOf<T extends FlowTypes, K extends KindOf<T>> = Omit<DataOf<T, K>, T["key"]> &
  Partial<Pick<DataOf<T, K>, T["key"] & keyof DataOf<T, K>>>;

/** The values of the fields of an event that have a closed set of texts, such as an enum: those can be its status. */
export type StatusOf<D> = {
  [F in keyof D]: D[F] extends string ? (string extends D[F] ? never : D[F]) : never;
}[keyof D];

/** What a flow says of one kind of events. */
export type EventDefinition<D = object> = {
  /** The protobuf message: `claims.v1.ClaimOpened`. */
  type?: string;
  /** For JSON: what checks an event, and may complete it with defaults. Any Standard Schema: zod, valibot, ArkType … */
  schema?: StandardSchema<D>;
  /**
   * In an existing stream: where events of this kind are. One token may be the key, in braces: `accounts.{id}.opened`. `*`
   * and a last `>` are for kinds that no service emits.
   */
  subject?: string;
  /** In an existing stream: headers that tell this kind from others on the same subject: `{ "ce-type": "opened" }`. */
  headers?: Readonly<Record<string, string>>;
  /** The field whose value decides how the key goes on: an enum, or a text with the `statuses` listed. */
  status?: keyof D & string;
  /** The values that the status can have, where neither the protobuf enum nor anything else tells them. */
  statuses?: readonly string[];
  /** How people call one event of this kind; its name by default. */
  label?: string;
  /** The statuses that are a refusal, such as a declined payment. */
  refusals?: readonly StatusOf<D>[];
  /**
   * Whether such an event ends its key: always, never, or with which statuses. By default, what no service goes on from
   * does.
   */
  ends?: boolean | readonly StatusOf<D>[];
  /** For `orderctl publish --count`: what the event with this number says, from 0; the key is to be another each time. */
  sample?: (index: number) => D;
};

/**
 * A stream that other programs made, and that orderctl leaves as it is: it makes its own consumers there, and stores what
 * services emit. Such a stream may take a second event of a kind for a key, and lose what its limits let go; a service
 * may then do its work twice. There is no `audit` and no archive of it.
 */
export type ExistingStream = { name: string; manage: false };

/** A flow: where its log is, what its events are, and what its audit promises. See `defineFlow`. */
export type FlowDefinition<T extends FlowTypes = FlowTypes> = {
  /** Small letters, digits and `-`; names the flow's consumers, dead letters and metrics. */
  name: string;
  /**
   * The stream that holds the events, on subjects `<stream>.<kind>.<key>`; the name in capitals by default. Or one that
   * other programs made.
   */
  stream?: string | ExistingStream;
  /** What the flow is about, one and many: `["claim", "claims"]`, which is made of the name by default. */
  noun?: readonly [one: string, many: string];
  /** The field that holds the key in each event. */
  key: T["key"] & string;
  /** In an existing stream: where the key is, when neither a subject's `{…}` nor the field `key` tells it. */
  keyFrom?: KeyPlace;
  /** `.proto` files, folders of them, or descriptor sets (`.binpb`, `.desc`), beside the module that defines the flow. */
  proto?: string | readonly string[];
  /**
   * Into how many partitions the keys are divided, so that services with `ordered` work on one event of a key at a time in
   * all processes: 1 to 256, and as many events at a time as there are partitions. It is a part of each subject
   * (`<stream>.<kind>.<partition>.<key>`) and cannot be changed once there are events. In an existing stream, a token
   * `{partition}` of the subjects tells it.
   */
  partitions?: number;
  /** In the order in which events of one key can happen. A text is the protobuf message's name. */
  events: { readonly [K in KindOf<T>]: string | EventDefinition<DataOf<T, K>> };
  /**
   * Key-value buckets for what services keep beside the log, on the broker as `<flow>_<name>`: small letters, digits and
   * `-`.
   */
  buckets?: readonly string[];
  /** What `orderctl audit` checks besides what it checks of every flow. */
  audit?: readonly AuditPromise[];
};

/** Says of all events of a kind (with a status) what has to be in the log with them. Made by `every` and `no`. */
export type AuditPromise =
  | { is: "ends"; kind: string; status?: string | undefined; in: readonly string[]; withinMs: number }
  | {
      is: "without";
      kind: string;
      status?: string | undefined;
      needs: string;
      needsStatus?: string | undefined;
    };

/** An event as handlers and tests get it. */
export type FlowEventOf<T extends FlowTypes = FlowTypes, K extends KindOf<T> = KindOf<T>> = {
  /** The name of its kind: `assessed`. */
  readonly kind: K;
  /** What it is about, as a text: the value of its key field. */
  readonly key: string;
  /** Its fields, the key among them. */
  readonly data: DataOf<T, K>;
};

/** A protected call of another system: see `FlowContext.call`. */
export type EffectCall = {
  /**
   * The same for every attempt of this effect: `<flow>/<service>/<kind>/<key>/<name>`, of the event that it is worked on
   * for; key and name percent-encoded, so that a header can hold it.
   */
  readonly idempotencyKey: string;
  /** Aborts when the call has taken too long, or the worker has to stop. */
  readonly signal: AbortSignal;
  /** Counts from 1 within one delivery. */
  readonly attempt: number;
  /** The trace context, to be sent along as HTTP headers. */
  readonly headers: Readonly<Record<string, string>>;
};

/** How long, and how often, `FlowContext.call` tries. */
export type CallOptions = {
  /** For each attempt, ms; 10 s by default. */
  timeoutMs?: number;
  /** Attempts before the delivery fails and is tried again later; 3 by default. */
  attempts?: number;
};

/** State beside the log that a flow's services share, changed by compare-and-set: a NATS key-value bucket. */
export type FlowBucket = {
  /** The entry as the broker's leader has it; undefined where there is none. `revision` counts up with every change. */
  read(key: string): Promise<{ value: string; revision: number } | undefined>;
  /**
   * Replaces the entry that has this revision (0: there is none yet). Resolves to its new revision; to undefined, with
   * nothing written, where it has another one by now: read it again.
   */
  write(key: string, value: string, revision: number): Promise<number | undefined>;
};

/** What `emit` returns; a handler may return it. */
export type Emission = {
  /** Of the event that was emitted. */
  readonly kind: string;
};

/** What a handler gets beside the event. */
export type FlowContext<T extends FlowTypes = FlowTypes, E extends KindOf<T> = KindOf<T>, Deps = unknown> = {
  /** Of the event, in the stream: the same for every delivery of it. */
  readonly sequence: number;
  /** 1 for the first delivery. */
  readonly attempt: number;
  /** Aborts when the worker has to stop before the handler has ended. */
  readonly signal: AbortSignal;
  /** What the flow's `deps` opened. */
  readonly deps: Deps;
  /**
   * The event that this one leads to, stored before this one is acknowledged. At most one for each event; the stream
   * refuses a second one of its kind for the key, whoever stores it.
   */
  emit<K extends E>(kind: K, data: GivenOf<T, K>): Emission;
  /**
   * Calls another system: with an idempotency key, a timeout, attempts with backoff, and a span for each. Rejects with
   * the last attempt's error; thrown on, the event is delivered again later.
   */
  call<R>(name: string, effect: (io: EffectCall) => Promise<R> | R, options?: CallOptions): Promise<R>;
  /** The event of that kind that the log, or its archive, holds for this key; undefined if there is none. */
  read<K extends KindOf<T>>(kind: K): Promise<FlowEventOf<T, K> | undefined>;
  /** One of the flow's `buckets`. */
  bucket(name: string): FlowBucket;
  /**
   * The sequence up to which every event of this one's kind (with `partitions`: of its partition) that this service was to
   * work on is settled, so that none of them is delivered again, unless somebody redrives it.
   */
  settledTo(): Promise<number>;
  /** Calls back with the event that the log holds in the end: this one's outcome, or that of an earlier delivery. */
  onStored(callback: (stored: FlowEventOf<T, E>) => void): void;
  /** Ends this delivery: the event comes again after so many ms, which counts as no failure. */
  retryIn(ms: number, why: string): never;
  /** Ends this delivery: the event becomes a dead letter at once. */
  giveUp(why: string): never;
};

/**
 * A service's work on one kind of event. `handle` may be called again with the same event, at any time and in any
 * process, and then has to come to an outcome of the same meaning. To throw means *again later*.
 */
export type ServiceDefinition<
  T extends FlowTypes = FlowTypes,
  On extends KindOf<T> = KindOf<T>,
  E extends KindOf<T> = KindOf<T>,
  Deps = unknown,
> = {
  /** The kind of events to work on; with `when`, those with that status. */
  on: On;
  /** The status that an event must have; events of another status are acknowledged, and `handle` is not called. */
  when?: StatusOf<DataOf<T, On>>;
  /** The kinds of which it emits one for each event; none by default. */
  emits?: readonly E[];
  /**
   * Where a service begins that is added to a flow which has events already: with the first one, as by default, or with
   * those that come from now on.
   */
  startAt?: "all" | "new";
  /** Events in work at the same time in one process; 16 by default. `--concurrency` overrides it. */
  concurrency?: number;
  /**
   * Whether a process works on one event of a key at a time. Where the flow has `partitions`, all processes together do, and
   * on all kinds of events that the service is for, in the order of the log.
   */
  ordered?: boolean;
  /**
   * Settings of the service's consumers in the broker's own field names (`ack_wait` in ns, `max_ack_pending` …). They are
   * passed on as they are, in place of what orderctl would choose.
   */
  consumer?: Readonly<Record<string, unknown>>;
  /** `none`: the handler changes nothing but the log, so that a replay may call it. */
  effects?: "none";
  /** Returns what `ctx.emit` gave, or nothing; or a promise of it. */
  handle(event: FlowEventOf<T, On>, context: FlowContext<T, E, Deps>): unknown;
};
