import { type ConsumerConfig, type ConsumerInfo, nanos, type StreamConfig } from "nats";
import { isOlder } from "../../core/compare-versions.ts";
import { OrderctlError } from "../../core/errors.ts";
import type { Connection } from "../client/connection.ts";
import { apiErrorOf, apiErrors, fromNats } from "../client/nats-error.ts";
import { remedy } from "../client/remedies.ts";
import { compareSettings, type Drift, type Settings } from "./settings-drift.ts";

type StreamSpec = Settings & { name: string };
type ConsumerSpec = Settings & { stream: string; durable_name: string };

/** Streams and durable consumers as they should be, in the broker's own field names. */
export type Topology = {
  streams: StreamSpec[];
  consumers: ConsumerSpec[];
  /** Stream → setting → what goes wrong when the broker has another value. */
  promises?: Readonly<Record<string, Readonly<Record<string, string>>>>;
};

/** Milliseconds to nanoseconds, the unit of durations in the broker's API. */
export const durationNs = nanos;

/**
 * Creates the streams and consumers that are missing and returns every setting that differs; never changes what exists.
 * Safe to run from many processes at once. A stream or consumer that this user may not read is left alone. Rejects with
 * `denied` when something is missing that this user may not create, with `no_responders` when the server has no
 * JetStream, with `unavailable` when a stream has, or would get, replicas that this server version does not keep
 * consistent, and with `usage` when this server version does not enforce `max_bytes`.
 */
export async function applyTopology(connection: Connection, topology: Topology): Promise<Drift[]> {
  const missing = (drift: Drift) => drift.setting === "*";
  const found = await readVisible(connection, topology);
  if (isOlder(connection.version, oldestReplicating)) refuseReplicas(connection, topology, found);
  if (isOlder(connection.version, oldestRefusing)) refuseLimits(connection, topology);
  for (const drift of found.filter(missing)) {
    await create(connection, topology, drift);
  }
  return (await readVisible(connection, topology)).filter((drift) => !missing(drift));
}

/**
 * Older servers may let two concurrent compare-and-sets on a stream with several replicas both succeed (nats-server
 * issue 4320).
 */
const oldestReplicating = "2.9.21";

function refuseReplicas({ version }: Connection, { streams }: Topology, found: Drift[]): void {
  const actual = found.filter(({ setting }) => setting === "num_replicas").map((drift) => drift.actual);
  const counts = [...streams.map((stream) => stream.num_replicas), ...actual];
  if (counts.every((replicas) => Number(replicas ?? 1) <= 1)) return;
  const text = `nats-server ${version} cannot be trusted with several replicas: ${oldestReplicating} is the oldest that can`;
  throw new OrderctlError("unavailable", `${text}, before it stock may be oversold`, {
    hint: remedy("update_cluster"),
  });
}

/**
 * Older servers store a new message in a nearly full stream and then drop the oldest one, although `discard: new` tells
 * them to refuse the new one.
 */
const oldestRefusing = "2.10.0";

function refuseLimits({ version }: Connection, { streams }: Topology): void {
  if (!streams.some(({ discard, max_bytes }) => discard === "new" && max_bytes !== undefined)) return;
  throw new OrderctlError("usage", `nats-server ${version} drops old messages near --max-bytes`, {
    hint: remedy("update_for_limits", oldestRefusing),
  });
}

/**
 * Compares every setting that the broker reports with the topology, or with the broker's default where the topology
 * does not name the setting; streams come first. Rejects with `denied` when this user may not read a stream or
 * consumer.
 */
export const readDrift = (connection: Connection, topology: Topology): Promise<Drift[]> =>
  compareAll(topology, (spec) => readConfig(connection, spec));

/** Like `readDrift`, but a stream or consumer that this user may not read counts as being as wanted. */
const readVisible = (connection: Connection, topology: Topology): Promise<Drift[]> =>
  compareAll(topology, (spec) =>
    readConfig(connection, spec).catch((thrown) => {
      if (thrown instanceof OrderctlError && thrown.code === "denied") return spec.wanted;
      throw thrown;
    }),
  );

/** `stream` is the stream of a consumer; undefined for a stream. */
type Spec = Pick<Drift, "kind" | "name"> & {
  stream?: string;
  wanted: Settings;
  promises?: Readonly<Record<string, string>> | undefined;
};

const specsOf = ({ streams, consumers, promises = {} }: Topology): Spec[] => [
  ...streams.map((wanted) => ({
    kind: "stream" as const,
    name: wanted.name,
    wanted,
    promises: promises[wanted.name],
  })),
  ...consumers.map(({ stream, ...wanted }) => ({
    kind: "consumer" as const,
    name: String(wanted.durable_name),
    stream,
    wanted,
  })),
];

async function compareAll(
  topology: Topology,
  read: (spec: Spec) => Promise<Settings | undefined>,
): Promise<Drift[]> {
  const drifts: Drift[] = [];
  for (const spec of specsOf(topology)) drifts.push(...compareSettings(spec, await read(spec)));
  return drifts;
}

/** The settings of a stream or consumer as the broker has them; undefined when it does not exist. */
async function readConfig({ jsm }: Connection, { kind, name, stream }: Spec): Promise<Settings | undefined> {
  try {
    if (stream === undefined) return { ...(await jsm.streams.info(name)).config };
    return consumerSettings(await jsm.consumers.info(stream, name));
  } catch (thrown) {
    if (isMissing(thrown)) return undefined;
    throw fromNats(thrown, `read ${kind} ${name}`);
  }
}

/** The client's types do not know that a consumer can be paused (nats-server 2.11). */
type Pausable = ConsumerInfo & { paused?: boolean };

/** A consumer's settings, without `pause_until` when the pause is over: the broker leaves it in the configuration. */
export function consumerSettings({ config, paused }: Pausable): Settings {
  const settings: Record<string, unknown> = { ...config };
  if (paused !== true) delete settings.pause_until;
  return settings;
}

/** True when `thrown` says that there is no such stream or consumer. */
export function isMissing(thrown: unknown): boolean {
  const missing: unknown[] = [apiErrors.streamNotFound, apiErrors.consumerNotFound];
  return missing.includes(apiErrorOf(thrown));
}

async function create(connection: Connection, topology: Topology, { kind, name }: Drift): Promise<void> {
  const spec = specsOf(topology).find((each) => each.kind === kind && each.name === name);
  try {
    if (spec) await createOne(connection, spec);
  } catch (thrown) {
    throw await notCreated(connection, thrown, { kind, name, topology });
  }
}

async function createOne({ jsm }: Connection, { name, stream, wanted }: Spec): Promise<void> {
  if (stream === undefined)
    await jsm.streams.add({ ...wanted, name } as Partial<StreamConfig> & { name: string });
  else await jsm.consumers.add(stream, wanted as Partial<ConsumerConfig>);
}

type Creation = { kind: string; name: string; topology: Topology };

async function notCreated(
  connection: Connection,
  thrown: unknown,
  { kind, name, topology }: Creation,
): Promise<OrderctlError> {
  const what = `${kind} ${name}`;
  const stream = topology.consumers.find((consumer) => consumer.durable_name === name)?.stream;
  if (apiErrorOf(thrown) === apiErrors.streamNotFound && stream !== undefined)
    return new OrderctlError("not_found", `there is no stream ${stream} at ${connection.server}`, {
      hint: "it is not orderctl's own, which makes only its consumer there",
      cause: thrown,
    });
  const error = fromNats(thrown, `create ${what}`);
  if (apiErrorOf(thrown) === apiErrors.subjectsOverlap) {
    const subjects = (topology.streams.find((stream) => stream.name === name)?.subjects ?? []) as string[];
    const others = await streamsOn(connection, subjects);
    return new OrderctlError(error.code, `${error.message}: ${others.join(", ")}`, {
      ...error,
      cause: thrown,
    });
  }
  if (error.code !== "denied") return error;
  return new OrderctlError("denied", `${what} is missing; ${error.message}`, {
    hint: remedy("create_topology"),
    cause: thrown,
  });
}

/** The streams that store any of these subjects; none when this user may not ask. */
async function streamsOn({ jsm }: Connection, subjects: readonly string[]): Promise<string[]> {
  const asked = subjects.map((subject) => jsm.streams.names(subject).next());
  return [...new Set((await Promise.all(asked).catch(() => [])).flat())];
}

/** When a stream was created (RFC 3339): it distinguishes a stream from a later one with the same name. */
export async function readStreamIdentity({ jsm }: Connection, stream: string): Promise<string> {
  try {
    const { created } = await jsm.streams.info(stream);
    return String(created);
  } catch (thrown) {
    throw fromNats(thrown, `read stream ${stream}`);
  }
}

/** The largest message that a stream's own settings allow, in bytes; infinite when they set no limit. */
export async function readMaxMessageBytes({ jsm }: Connection, stream: string): Promise<number> {
  try {
    const { max_msg_size: most = -1 } = (await jsm.streams.info(stream)).config;
    return most > 0 ? most : Number.POSITIVE_INFINITY;
  } catch (thrown) {
    throw fromNats(thrown, `read stream ${stream}`);
  }
}

/** The sequence up to which every message that matches a consumer's filter was acknowledged. */
export async function readAckFloor({ jsm }: Connection, stream: string, consumer: string): Promise<number> {
  try {
    return (await jsm.consumers.info(stream, consumer)).ack_floor.stream_seq;
  } catch (thrown) {
    throw fromNats(thrown, `read consumer ${consumer}`);
  }
}

/** What `mendTopology` changed; `refusals` say why a setting could not be changed in place. */
export type Mending = { fixed: string[]; remade: string[]; refusals: string[] };

/**
 * Sets every setting that breaks a promise back in place, so that a consumer keeps its position. When the broker
 * refuses to change a consumer in place, `remake` deletes and creates it anew, and the new consumer delivers every
 * stored message once more; without `remake`, and for every stream, the setting is left and the refusal reported.
 * Settings that break no promise are left as they are.
 */
export async function mendTopology(
  connection: Connection,
  topology: Topology,
  { remake }: { remake: boolean },
): Promise<Mending> {
  const done: Mending = { fixed: [], remade: [], refusals: [] };
  for (const spec of specsOf(topology)) {
    const broken = await readBroken(connection, spec);
    if (broken.length === 0) continue;
    const title = `${spec.kind} ${spec.name}`;
    const refusal = await changeInPlace(connection, spec, broken.filter(isChangeable));
    const left = await readBroken(connection, spec);
    const isFixed = ({ setting }: Drift) => left.every((each) => each.setting !== setting);
    done.fixed.push(...broken.filter(isFixed).map(({ setting }) => `${title}: ${setting}`));
    if (left.length === 0) continue;
    if (remake && spec.stream !== undefined) {
      await makeAnew(connection, { ...spec, stream: spec.stream });
      done.remade.push(title);
    } else done.refusals.push(`${title}: ${refusal ?? "the broker left it as it is"}`);
  }
  return done;
}

/** With other subjects, a stream would not be found to hold what it holds: its definition is what has to change. */
const isChangeable = ({ kind, setting }: Drift): boolean => kind !== "stream" || setting !== "subjects";

const readBroken = async (connection: Connection, spec: Spec): Promise<Drift[]> =>
  compareSettings(spec, await readConfig(connection, spec)).filter(({ leadsTo }) => leadsTo !== null);

/**
 * Changes all settings at once, as some depend on each other; when the broker refuses that, changes them one by one, so
 * that a refused setting does not hold up the others. Returns why the broker refused to change them together.
 */
async function changeInPlace(
  connection: Connection,
  spec: Spec,
  drifts: Drift[],
): Promise<string | undefined> {
  if (drifts.length === 0) return "the definition has to say what it was made with";
  const refusal = await change(connection, spec, drifts);
  if (refusal !== undefined && drifts.length > 1)
    for (const drift of drifts) await change(connection, spec, [drift]);
  return refusal;
}

/** Returns why the broker refuses the change. Throws when this user may not make it or the broker does not answer. */
async function change(
  { jsm }: Connection,
  { kind, name, stream }: Spec,
  drifts: Drift[],
): Promise<string | undefined> {
  const settings = Object.fromEntries(drifts.map(({ setting, wanted }) => [setting, wanted ?? undefined]));
  try {
    if (stream === undefined) await jsm.streams.update(name, settings as Partial<StreamConfig>);
    else await jsm.consumers.update(stream, name, settings as Partial<ConsumerConfig>);
    return undefined;
  } catch (thrown) {
    const error = fromNats(thrown, `change ${kind} ${name}`);
    if (error.code === "denied" || apiErrorOf(thrown) === undefined) throw error;
    return error.message;
  }
}

async function makeAnew(connection: Connection, spec: Spec & { stream: string }): Promise<void> {
  try {
    await connection.jsm.consumers.delete(spec.stream, spec.name);
    await createOne(connection, spec);
  } catch (thrown) {
    throw fromNats(thrown, `make consumer ${spec.name} anew`);
  }
}
