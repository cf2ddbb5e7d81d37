import { OrderctlError } from "../core/errors.ts";
import type { Noun } from "../core/noun.ts";
import type { Connection } from "../jetstream/client/connection.ts";
import type { Settings } from "../jetstream/streams/settings-drift.ts";
import type { Metrics } from "../telemetry/metrics/metrics.ts";
import type { ArchivedLog } from "./archived-log.ts";
import type { FlowAudit } from "./audit-contract.ts";
import { type Addressed, type Layout, ownLayout } from "./layout.ts";

/**
 * A flow: events about one key, each kind stored once, and services that turn one kind into the next. The table is the
 * whole definition; `compileFlow` derives causes, states, next steps and endings from it.
 */
export type FlowTable = {
  name: string;
  /** The stream that holds the flow's events. */
  stream: string;
  /** Where they are in it; by default on `<stream>.<kind>.<key>`, in a stream of orderctl's own. */
  layout?: Layout;
  isKey(text: string): boolean;
  /** The key that people mean by a text, where that is not the text itself; undefined for a text that is none. */
  keyTyped?(text: string): string | undefined;
  /** What a key is called in messages to people (`an order id`), and which texts are keys (`1 to 64 letters …`). */
  keyName: string;
  keyForm: string;
  /** What the flow is about, for people: an order, orders. */
  noun: Noun;
  /** The field of an event's document that holds its key, and the placeholder for it in span names (`order_id`). */
  keyField: string;
  /** What the services call outside of the flow, as traces name it. */
  callee?: string;
  /** Listed in the order in which events of one key can happen. */
  kinds: Readonly<Record<string, KindEntry>>;
  services: Readonly<Record<string, readonly SubscriptionEntry[]>>;
  /** The broker users that may store events of the first kind. */
  sources: readonly string[];
  /**
   * What goes wrong when the stream accepts a second event of a kind for one key; shown when its settings allow that.
   */
  secondEvent: string;
  /** Key-value buckets in which the services keep state beside the log. */
  buckets?: readonly BucketEntry[];
};

/**
 * A key-value bucket. `promises` maps a setting of the bucket's stream to what goes wrong when that setting differs.
 */
export type BucketEntry = { name: string; promises?: Readonly<Record<string, string>> };

export type Tone = "good" | "bad" | "mixed";

export type KindEntry = {
  /** How the CLI names one event of this kind. */
  label: string;
  /**
   * The state of a key after such an event: one word, or one word per status where the kind has statuses. Absent for
   * kinds that leave the state unchanged: endings and side steps.
   */
  becomes?: string | Readonly<Record<string, string>>;
  /** The statuses that are a business refusal, such as a declined payment. */
  refusals?: readonly string[];
  /** Whether such an event ends its key: always, or with which statuses. */
  ends?: true | readonly string[];
  /** For a kind that ends a key: each outcome that its event can carry, and how good that outcome is. */
  outcomes?: Readonly<Record<string, Tone>>;
};

/**
 * A durable consumer of a service: the kind it consumes (with `when`, only events with that status), and the kinds of
 * which it emits one for each event, or none.
 */
export type SubscriptionEntry = {
  consumer: string;
  on: string;
  when?: string;
  emits: readonly string[];
  /** Where its consumer begins when it is made: with the events that come from then on, instead of with the first. */
  startAt?: "new";
  /**
   * The service works on one event of a key at a time, in the order of the log, also where several processes run it. All
   * of a service's subscriptions or none.
   */
  inOrder?: boolean;
  /** Settings of its consumer in the broker's own field names, in place of those that orderctl would choose. */
  settings?: Settings;
};

export type Subscription = SubscriptionEntry & { service: string };

/** A compiled table: what `compileFlow` derives from a `FlowTable`. */
export type FlowShape = Layout & {
  readonly name: string;
  readonly stream: string;
  readonly kinds: readonly string[];
  /** The services with consumers on the log. */
  readonly services: readonly string[];
  readonly subscriptions: readonly Subscription[];
  readonly buckets: readonly BucketEntry[];
  readonly secondEvent: string;
  readonly firstKind: string;
  /** The kinds of which an event can end a key. */
  readonly endings: readonly string[];
  /** Whether this event ends its key. */
  endsWith(kind: string, status: string | undefined): boolean;
  /** Every outcome with which a key can end, and how good it is. */
  readonly outcomes: Readonly<Record<string, Tone>>;
  isKey(text: string): boolean;
  /** The key that people mean by a text; undefined for a text that is none. */
  keyTyped(text: string): string | undefined;
  readonly keyName: string;
  readonly noun: Noun;
  readonly keyForm: string;
  readonly keyField: string;
  readonly callee: string | undefined;
  labelOf(kind: string): string;
  /** The kinds that can cause an event of this kind, nearest cause first. */
  causesOf(kind: string): readonly string[];
  subscriptionsOf(service: string): readonly Subscription[];
  /** The service's consumer that takes `from` and emits `to`. */
  consumerBetween(service: string, from: string, to: string): string | undefined;
  /** The broker users that may store events of this kind. */
  storedBy(kind: string): readonly string[];
  /** Empty for a kind without statuses. */
  statusesOf(kind: string): readonly string[];
  /** The state of a key after this event; undefined when the event leaves the state unchanged. */
  stateAfter(kind: string, status: string | undefined): string | undefined;
  isRefusal(kind: string, status: string): boolean;
  /**
   * The subscription that has to handle this event for the key to go on; undefined after an ending and after a side
   * step.
   */
  nextAfter(kind: string, status: string | undefined): Subscription | undefined;
};

/**
 * Throws when a subscription names an unknown kind or status, or when two subscriptions share a consumer name: a bug in
 * the table.
 */
export function compileFlow(table: FlowTable): FlowShape {
  const { name, stream, isKey, keyName, keyForm, keyField, noun, callee } = table;
  const { kinds: entries, sources, secondEvent, buckets = [] } = table;
  const kinds = Object.keys(entries);
  const [firstKind = ""] = kinds;
  const { keyTyped = (text: string) => (isKey(text) ? text : undefined) } = table;
  const layout = table.layout ?? ownLayout({ stream, kinds, isKey, keyField });
  const subscriptions = Object.entries(table.services).flatMap(([service, own]) =>
    own.map((entry): Subscription => ({ ...entry, service })),
  );
  checkTable(table, subscriptions);
  const causes = causesIn(kinds, subscriptions);
  const isStep = (kind: string) => (entries[kind]?.becomes ?? entries[kind]?.ends) !== undefined;
  const onTheWay = subscriptions.filter(({ emits }) => emits.some(isStep));
  const storing = (kind: string) => subscriptions.filter(({ emits }) => emits.includes(kind));
  return {
    ...{ name, stream, isKey, keyTyped, keyName, keyForm, keyField, noun, callee },
    ...{ kinds, firstKind, subscriptions, buckets, secondEvent },
    ...layout,
    services: Object.keys(table.services),
    endings: kinds.filter((kind) => entries[kind]?.ends !== undefined),
    endsWith(kind, status = "") {
      const ends = entries[kind]?.ends;
      return ends === true || (ends?.includes(status) ?? false);
    },
    outcomes: Object.fromEntries(kinds.flatMap((kind) => Object.entries(entries[kind]?.outcomes ?? {}))),
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

/** Maps each kind to the kinds that can cause it, nearest cause first. */
function causesIn(
  kinds: readonly string[],
  subscriptions: readonly Subscription[],
): ReadonlyMap<string, readonly string[]> {
  const nearestFirst = kinds.toReversed();
  return new Map(
    kinds.map((kind) => {
      const from = subscriptions.filter(({ emits }) => emits.includes(kind)).map(({ on }) => on);
      return [kind, nearestFirst.filter((cause) => from.includes(cause))];
    }),
  );
}

function checkTable({ kinds: entries }: FlowTable, subscriptions: readonly Subscription[]): void {
  if (!Object.values(entries).some(({ ends }) => ends)) throw new Error("no kind of event ends the flow");
  const consumers = subscriptions.map(({ consumer }) => consumer);
  const twice = consumers.find((consumer, index) => consumers.indexOf(consumer) !== index);
  if (twice !== undefined) throw new Error(`there are two consumers ${twice}`);
  for (const subscription of subscriptions) {
    const fault = faultOf(entries, subscription);
    const { consumer, on, when, emits } = subscription;
    if (fault)
      throw new Error(
        `${consumer} makes ${emits.join(" or ") || "nothing"} of ${[when, on].filter(Boolean).join(" ")}, ${fault}`,
      );
  }
}

function faultOf(entries: FlowTable["kinds"], { on, when, emits }: Subscription): string | undefined {
  const kinds = Object.keys(entries);
  const becomes = entries[on]?.becomes;
  if (![on, ...emits].every((kind) => kind in entries)) return "which are no kinds of the flow";
  // Kinds that lead back to an earlier one would make a circle.
  if (emits.some((kind) => kinds.indexOf(on) >= kinds.indexOf(kind))) return "which stands before it";
  const hasStatus = when === undefined || (typeof becomes === "object" && when in becomes);
  return hasStatus ? undefined : `and ${on} has no such status`;
}

/** The part that every event has; the events of a concrete flow have more fields. */
export type FlowEvent = { readonly kind: string };

/**
 * What an event says, in the wire contract's word (`OUT_OF_STOCK`), and one detail worth showing with it (`SKU-0007`).
 */
export type Outcome = { outcome: string; detail: string | null };

/** An amount in minor units, and `text`, the same amount formatted for people. */
export type Total = { amountMinor: number; currency: string; text: string };

/** A column of the archive: what it holds of an event, as one text or as a list of texts; undefined where it has none. */
export type EventColumn<E extends FlowEvent = FlowEvent> =
  | { text(event: E): string | undefined }
  | { list(event: E): readonly string[] | undefined };

type Headers = Pick<Addressed, "header">;

/** A flow as generic code sees it: the compiled table, and how the flow's events are decoded, encoded and described. */
export type Flow<E extends FlowEvent = FlowEvent> = FlowShape & {
  /**
   * Throws `bad_message`, and nothing else, when the payload is not an event of the subject's kind and key. `headers`
   * are asked where the subject does not tell them.
   */
  decode(subject: string, payload: Uint8Array, headers?: Headers): E;
  /** Throws `bad_message` for an event that `decode` would refuse. */
  encode(event: E): Uint8Array;
  keyOf(event: E): string;
  /**
   * True only if the payload is certainly an event with a status other than `status`; false when in doubt. Hot path.
   */
  hasOtherStatus(kind: string, payload: Uint8Array, status: string): boolean;
  /** Whether both are the same event, sent twice. */
  isSame(one: E, other: E): boolean;
  describe(event: E): Outcome;
  /** An outcome with its detail in one phrase, shown beside the kind: `SHIPPED by post`. */
  phrase(kind: string, outcome: Outcome): string;
  /** The amount of the key (an order's total), for events that carry it. */
  totalOf(event: E): Total | undefined;
  /** The event's fields as JSON, named as in the wire contract. */
  document(event: E): Record<string, unknown>;
  /** Columns of the archive, by name, beside those that it has for every flow: what an analyst groups events by. */
  columns: Readonly<Record<string, EventColumn<E>>>;
  audit: FlowAudit;
  /** The flow's own counters, recorded in addition to the metrics of every flow. */
  countersOf(metrics: Metrics): FlowCounters<E>;
};

export type FlowCounters<E extends FlowEvent = FlowEvent> = {
  /**
   * This worker stored `event`, not a duplicate. `sinceMs`: time since the key's first event; undefined when unknown.
   */
  stored(event: E, sinceMs: number | undefined): void;
  /** A call to another system ended. */
  called(operation: string, durationMs: number, errorType: string | undefined): void;
};

/** A flow's log: the connection to the broker that holds its stream, and the part that was moved out of the broker. */
export type FlowLog<E extends FlowEvent = FlowEvent> = {
  connection: Connection;
  flow: Flow<E>;
  archive: ArchivedLog;
};

/** Why a message cannot be the event that its subject names; undefined when it decodes. */
export function findFault(flow: Pick<Flow, "decode">, message: Addressed): string | undefined {
  const { subject, payload } = message;
  try {
    flow.decode(subject, payload, message);
    return undefined;
  } catch (thrown) {
    const { message } = OrderctlError.from(thrown);
    return message.startsWith(`${subject}: `) ? message.slice(subject.length + 2) : message;
  }
}

/** The key that people mean by a text, or throws `code` with a message that quotes the text. */
export function checkKey(
  flow: FlowShape,
  key: string,
  code: "bad_message" | "usage" = "bad_message",
): string {
  const meant = flow.keyTyped(key);
  if (meant !== undefined) return meant;
  const shown = key.length > 64 ? `${key.slice(0, 64)}…` : key;
  throw new OrderctlError(code, `${JSON.stringify(shown)} is not ${flow.keyName}`, {
    hint: `${flow.keyName} is ${flow.keyForm}`,
  });
}
