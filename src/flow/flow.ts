import { OrderctlError } from "../core/errors.ts";
import type { Connection } from "../jetstream/client/connection.ts";
import type { Metrics } from "../telemetry/metrics/metrics.ts";
import type { FlowAudit } from "./auditor.ts";

/**
 * A flow: events about one key, each kind stored once, and services that turn one kind into the next. Written as one table; what
 * orders, causes, waits and ends derives from it.
 */
export type FlowTable = {
  /** The stream of its events; their subjects are `<stream>.<kind>.<key>`. */
  stream: string;
  isKey(text: string): boolean;
  /** What a key is called, and what makes one: `an order id`, `1 to 64 letters …`. */
  keyName: string;
  keyForm: string;
  /** In the order in which they can happen. */
  kinds: Readonly<Record<string, KindEntry>>;
  services: Readonly<Record<string, readonly SubscriptionEntry[]>>;
  /** Who stores events of the first kind. */
  sources: readonly string[];
  /** What comes of a stream that takes a second event of a kind. */
  secondEvent: string;
  /** What its services keep beside the log. */
  buckets?: readonly BucketEntry[];
};

/** A key-value bucket; `promises` says what comes of settings of its stream that are otherwise. */
export type BucketEntry = { name: string; promises?: Readonly<Record<string, string>> };

export type Tone = "good" | "bad" | "mixed";

export type KindEntry = {
  /** One of them, as people name it. */
  label: string;
  /**
   * What a key is after such an event: of its statuses each, where the kind has statuses. An event that ends a key leaves it as it
   * is, and so does what is done beside.
   */
  becomes?: string | Readonly<Record<string, string>>;
  /** Statuses with which the business said no. */
  refusals?: readonly string[];
  ends?: true;
  /** What an event that ends a key says of how it ended, and how good that is. */
  outcomes?: Readonly<Record<string, Tone>>;
};

/** A durable consumer of a service: the kind that it takes, with `when` those of one status alone, and the kind that it answers with. */
export type SubscriptionEntry = { consumer: string; on: string; when?: string; emits: string };

export type Subscription = SubscriptionEntry & { service: string };

/** Kind and key, as a subject of the flow names them. */
export type EventPlace = { kind: string; key: string };

/** A table with what follows from it. */
export type FlowShape = {
  readonly stream: string;
  readonly kinds: readonly string[];
  /** Those that work on the log. */
  readonly services: readonly string[];
  readonly subscriptions: readonly Subscription[];
  readonly buckets: readonly BucketEntry[];
  readonly secondEvent: string;
  /** The kinds with which a key begins and ends. */
  readonly firstKind: string;
  readonly ending: string;
  /** How keys end, and how good that is. */
  readonly outcomes: Readonly<Record<string, Tone>>;
  /** The subject is an event's identity: the stream holds one message for each. */
  subjectOf(kind: string, key: string): string;
  /** Undefined for a subject that is none of the flow's. Per message: < 0.5 µs. */
  parseSubject(subject: string): EventPlace | undefined;
  isKey(text: string): boolean;
  readonly keyName: string;
  readonly keyForm: string;
  labelOf(kind: string): string;
  /** The kinds that one follows from, the nearest first. */
  causesOf(kind: string): readonly string[];
  subscriptionsOf(service: string): readonly Subscription[];
  /** The consumer through which a service came from one kind to another. */
  consumerBetween(service: string, from: string, to: string): string | undefined;
  /** Whose permissions suffice to store an event of a kind. */
  storedBy(kind: string): readonly string[];
  /** Of a kind that has any. */
  statusesOf(kind: string): readonly string[];
  /** What a key is after an event; undefined after one that leaves it as it is. */
  stateAfter(kind: string, status: string | undefined): string | undefined;
  isRefusal(kind: string, status: string): boolean;
  /** What the key waits for after an event; undefined after one that ends it, and after what is done beside its way. */
  nextAfter(kind: string, status: string | undefined): Subscription | undefined;
};

/** Throws where the table contradicts itself: a mistake of whoever wrote it. */
export function compileFlow(table: FlowTable): FlowShape {
  const { stream, isKey, keyName, keyForm, kinds: entries, sources, secondEvent, buckets = [] } = table;
  const kinds = Object.keys(entries);
  const [firstKind = ""] = kinds;
  const subscriptions = Object.entries(table.services).flatMap(([service, own]) =>
    own.map((entry): Subscription => ({ ...entry, service })),
  );
  checkTable(table, subscriptions);
  const causes = causesIn(kinds, subscriptions);
  const onTheWay = subscriptions.filter(({ emits }) => entries[emits]?.becomes ?? entries[emits]?.ends);
  const storing = (kind: string) => subscriptions.filter(({ emits }) => emits === kind);
  return {
    ...{ stream, isKey, keyName, keyForm, kinds, firstKind, subscriptions, buckets, secondEvent },
    services: Object.keys(table.services),
    ending: kinds.find((kind) => entries[kind]?.ends) ?? "",
    outcomes: Object.fromEntries(kinds.flatMap((kind) => Object.entries(entries[kind]?.outcomes ?? {}))),
    subjectOf: (kind, key) => `${stream}.${kind}.${key}`,
    parseSubject: subjectParser(table),
    labelOf: (kind) => entries[kind]?.label ?? kind,
    causesOf: (kind) => causes.get(kind) ?? [],
    subscriptionsOf: (service) => subscriptions.filter((each) => each.service === service),
    consumerBetween: (service, from, to) =>
      storing(to).find((each) => each.service === service && each.on === from)?.consumer,
    storedBy: (kind) =>
      kind === firstKind ? sources : [...new Set(storing(kind).map(({ service }) => service))],
    statusesOf(kind) {
      const becomes = entries[kind]?.becomes;
      return typeof becomes === "object" ? Object.keys(becomes) : [];
    },
    stateAfter(kind, status = "") {
      const becomes = entries[kind]?.becomes;
      return typeof becomes === "string" ? becomes : becomes?.[status];
    },
    isRefusal: (kind, status) => entries[kind]?.refusals?.includes(status) ?? false,
    nextAfter: (kind, status) =>
      onTheWay.find(({ on, when }) => on === kind && (when === undefined || when === status)),
  };
}

/** By kind, those that it follows from, the nearest first. */
function causesIn(
  kinds: readonly string[],
  subscriptions: readonly Subscription[],
): ReadonlyMap<string, readonly string[]> {
  const nearestFirst = kinds.toReversed();
  return new Map(
    kinds.map((kind) => {
      const from = subscriptions.filter(({ emits }) => emits === kind).map(({ on }) => on);
      return [kind, nearestFirst.filter((cause) => from.includes(cause))];
    }),
  );
}

function subjectParser({ stream, kinds, isKey }: FlowTable): FlowShape["parseSubject"] {
  const known = new Set(Object.keys(kinds));
  return (subject) => {
    const first = subject.indexOf(".");
    const second = subject.indexOf(".", first + 1);
    const kind = subject.slice(first + 1, second);
    const key = subject.slice(second + 1);
    if (second < 0 || !known.has(kind) || !isKey(key)) return undefined;
    return first === stream.length && subject.startsWith(stream) ? { kind, key } : undefined;
  };
}

function checkTable({ kinds: entries }: FlowTable, subscriptions: readonly Subscription[]): void {
  const endings = Object.values(entries).filter(({ ends }) => ends);
  if (endings.length !== 1) throw new Error(`a flow ends with one kind of event, not ${endings.length}`);
  const consumers = subscriptions.map(({ consumer }) => consumer);
  const twice = consumers.find((consumer, index) => consumers.indexOf(consumer) !== index);
  if (twice !== undefined) throw new Error(`there are two consumers ${twice}`);
  for (const subscription of subscriptions) {
    const fault = faultOf(entries, subscription);
    const { consumer, on, when, emits } = subscription;
    if (fault)
      throw new Error(`${consumer} makes ${emits} of ${[when, on].filter(Boolean).join(" ")}, ${fault}`);
  }
}

function faultOf(entries: FlowTable["kinds"], { on, when, emits }: Subscription): string | undefined {
  const kinds = Object.keys(entries);
  const becomes = entries[on]?.becomes;
  if (!(on in entries) || !(emits in entries)) return "which are no kinds of the flow";
  // Else the way of a key would go in a circle.
  if (kinds.indexOf(on) >= kinds.indexOf(emits)) return "which stands before it";
  const hasStatus = when === undefined || (typeof becomes === "object" && when in becomes);
  return hasStatus ? undefined : `and ${on} has no such status`;
}

/** What every event has; those of a flow have more. */
export type FlowEvent = { readonly kind: string };

/** What an event says, in the contract's word (`OUT_OF_STOCK`), with the one thing worth adding (`SKU-0007`). */
export type Outcome = { outcome: string; detail: string | null };

/** An amount in minor units, as people write it and as programs do. */
export type Total = { amountMinor: number; currency: string; text: string };

/** A flow as everything works on it that knows none: the table, and how its events are read and written. */
export type Flow<E extends FlowEvent = FlowEvent> = FlowShape & {
  /** Throws `bad_message`, and nothing else, for what is no event of the subject's kind and key. */
  decode(subject: string, payload: Uint8Array): E;
  /** Throws `bad_message` for an event that `decode` would refuse. */
  encode(event: E): Uint8Array;
  keyOf(event: E): string;
  /** True where a message certainly is an event with another status; false where nobody knows. Hot path. */
  hasOtherStatus(kind: string, payload: Uint8Array, status: string): boolean;
  /** Whether two are one event that was sent twice. */
  isSame(one: E, other: E): boolean;
  describe(event: E): Outcome;
  /** How it is told in one phrase beside its kind: `SHIPPED by post`. */
  phrase(kind: string, outcome: Outcome): string;
  /** What the key is worth, where an event says so. */
  totalOf(event: E): Total | undefined;
  /** Its fields, named as in the wire contract. */
  document(event: E): Record<string, unknown>;
  audit: FlowAudit;
  /** What it counts beside what is counted of every flow. */
  countersOf(metrics: Metrics): FlowCounters<E>;
};

export type FlowCounters<E extends FlowEvent = FlowEvent> = {
  /** An event was stored, and by this worker, `sinceMs` after its key's first one where that is known. */
  stored(event: E, sinceMs: number | undefined): void;
  /** A call of another system ended. */
  called(operation: string, durationMs: number, errorType: string | undefined): void;
};

/** A flow and the broker that holds its stream. */
export type FlowLog<E extends FlowEvent = FlowEvent> = { connection: Connection; flow: Flow<E> };

/** Why a message cannot be the event that its subject names; undefined where it can. */
export function findFault(
  flow: Pick<Flow, "decode">,
  subject: string,
  payload: Uint8Array,
): string | undefined {
  try {
    flow.decode(subject, payload);
    return undefined;
  } catch (thrown) {
    return OrderctlError.from(thrown).message;
  }
}

/** Returns `key`, or throws `bad_message` (or the code given) naming what is wrong with it. */
export function checkKey(
  flow: FlowShape,
  key: string,
  code: "bad_message" | "usage" = "bad_message",
): string {
  if (flow.isKey(key)) return key;
  const shown = key.length > 64 ? `${key.slice(0, 64)}…` : key;
  throw new OrderctlError(code, `${JSON.stringify(shown)} is not ${flow.keyName}`, {
    hint: `${flow.keyName} is ${flow.keyForm}`,
  });
}
