import { isDeepStrictEqual } from "node:util";

export type Settings = Readonly<Record<string, unknown>>;

/** A setting that differs from what is wanted. */
export type Drift = {
  kind: "stream" | "consumer";
  name: string;
  /** `*` when the whole stream or consumer is missing. */
  setting: string;
  /** The broker's default when the topology does not name the setting; `null` when it should not be set. */
  wanted: unknown;
  /** `null` when it is not set, or when the whole stream or consumer is missing. */
  actual: unknown;
  /** False for a setting that this version of orderctl does not know. */
  isKnown: boolean;
  /** What goes wrong with this value; `null` when it breaks no promise. */
  leadsTo: string | null;
};

/**
 * The values that the broker fills in for settings that nobody gives, nats-server 2.9 to 2.15
 * (https://docs.nats.io/nats-concepts/jetstream). `null`: not set.
 */
const defaults: Record<Drift["kind"], Settings> = {
  stream: {
    subjects: null,
    storage: "file",
    retention: "limits",
    discard: "old",
    discard_new_per_subject: false,
    max_consumers: -1,
    max_msgs: -1,
    max_bytes: -1,
    max_age: 0,
    max_msgs_per_subject: -1,
    max_msg_size: -1,
    num_replicas: 1,
    duplicate_window: 120e9,
    compression: "none",
    persist_mode: "default",
    allow_direct: false,
    mirror_direct: false,
    allow_rollup_hdrs: false,
    allow_msg_ttl: false,
    allow_msg_counter: false,
    allow_msg_schedules: false,
    allow_atomic: false,
    allow_batched: false,
    subject_delete_marker_ttl: 0,
    sealed: false,
    deny_delete: false,
    deny_purge: false,
    no_ack: false,
    first_seq: 0,
    consumer_limits: null,
    placement: null,
    mirror: null,
    sources: null,
    republish: null,
    subject_transform: null,
    template_owner: null,
  },
  consumer: {
    deliver_policy: "all",
    opt_start_seq: null,
    opt_start_time: null,
    ack_policy: "explicit",
    ack_wait: 30e9,
    max_deliver: -1,
    backoff: null,
    filter_subject: null,
    filter_subjects: null,
    replay_policy: "instant",
    rate_limit_bps: 0,
    sample_freq: null,
    max_waiting: 512,
    max_ack_pending: 1000,
    max_batch: 0,
    max_expires: 0,
    max_bytes: 0,
    headers_only: false,
    inactive_threshold: 0,
    num_replicas: 0,
    mem_storage: false,
    pause_until: null,
    priority_policy: "none",
    priority_groups: null,
    priority_timeout: 0,
    deliver_subject: null,
    deliver_group: null,
    flow_control: false,
    idle_heartbeat: 0,
    direct: false,
  },
};

/** Names and descriptions, which have no effect; the broker writes its own version into the metadata. */
const labels = new Set(["name", "durable_name", "description", "metadata"]);

/**
 * What goes wrong when one of these settings of a consumer differs: its service would lose messages, or never get one.
 */
const consumerPromises: Readonly<Record<string, string>> = {
  ack_policy: "what a process holds when it dies is never delivered again",
  max_deliver: "what was delivered that often is never delivered again, and nobody is told",
  headers_only: "deliveries come without what they say, and each becomes a dead letter",
  deliver_policy: "what was stored before it was made is never delivered",
  deliver_subject: "it sends to whoever listens there, and refuses those who ask",
  filter_subject: "it delivers other messages than its service is for",
  filter_subjects: "it delivers other messages than its service is for",
  priority_policy: "it refuses those who ask without naming a group",
  priority_groups: "it refuses those who ask without naming a group",
};

type Compared = {
  kind: Drift["kind"];
  name: string;
  wanted: Settings;
  /** For a stream: setting → what a difference leads to. */
  promises?: Readonly<Record<string, string>> | undefined;
};

/**
 * Every setting, reported by the broker or named in the topology, that has neither the wanted value nor, when the
 * topology does not name it, the broker's default.
 */
export function compareSettings(
  { kind, name, wanted, promises = {} }: Compared,
  actual: Settings | undefined,
): Drift[] {
  if (!actual) return [{ kind, name, setting: "*", wanted, actual: null, isKnown: true, leadsTo: null }];
  const wants: Settings = { ...defaultsFor(kind, wanted), ...wanted };
  const has = plainFilter(actual);
  const leadsTo = kind === "consumer" ? consumerPromises : promises;
  return [...new Set([...Object.keys(wanted), ...Object.keys(has)])]
    .filter((setting) => !labels.has(setting) && !isSame(wants[setting], has[setting]))
    .map((setting) => ({
      kind,
      name,
      setting,
      wanted: wants[setting] ?? null,
      actual: has[setting] ?? null,
      isKnown: setting in wants,
      leadsTo: leadsTo[setting] ?? null,
    }));
}

/** The broker shortens the default duplicate window to `max_age`, beyond which it keeps no message. */
function defaultsFor(kind: Drift["kind"], { max_age }: Settings): Settings {
  const window = Math.min(120e9, Number(max_age) || Number.POSITIVE_INFINITY);
  return kind === "stream" ? { ...defaults.stream, duplicate_window: window } : defaults.consumer;
}

/** The broker may report a single filter as a list of one. */
function plainFilter(settings: Settings): Settings {
  const { filter_subjects: filters, ...others } = settings;
  if (!Array.isArray(filters) || filters.length !== 1) return settings;
  return { ...others, filter_subject: filters[0] };
}

const isSame = (a: unknown, b: unknown): boolean => isDeepStrictEqual(plain(a), plain(b));

/**
 * Null for every way in which the broker reports that a setting is not set: absent, zero, empty, false, or -1 for a
 * limit.
 */
function plain(value: unknown): unknown {
  if (value === undefined || value === -1 || value === 0 || value === "" || value === false) return null;
  const isEmpty = typeof value === "object" && value !== null && Object.keys(value).length === 0;
  return isEmpty ? null : value;
}

/** One line for the operator. */
export function driftText({ kind, name, setting, wanted, actual, isKnown, leadsTo }: Drift): string {
  const is = JSON.stringify(actual);
  if (!isKnown) return `${kind} ${name} has a setting that orderctl does not know: ${setting} ${is}`;
  const text = `${kind} ${name} has ${setting} ${is} instead of ${JSON.stringify(wanted)}`;
  return leadsTo === null ? `${text}; left as it is` : `${text}: ${leadsTo}`;
}
