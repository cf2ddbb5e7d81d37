import { type ConsumerConfig, type ConsumerInfo, nanos, type StreamConfig } from "nats";
import { OrderctlError } from "../../core/errors.ts";
import { isOlder } from "../../core/versions.ts";
import type { Connection } from "../client/connection.ts";
import { apiErrorOf, apiErrors, fromNats } from "../client/nats-error.ts";
import { compareSettings, type Drift, type Settings } from "./settings-drift.ts";

type StreamSpec = Settings & { name: string };
type ConsumerSpec = Settings & { stream: string; durable_name: string };

/** Streams and durable consumers as they should be, in the broker's own field names. */
export type Topology = {
  streams: StreamSpec[];
  consumers: ConsumerSpec[];
  /** Stream → setting → which promise does not hold where it is another. */
  promises?: Readonly<Record<string, Readonly<Record<string, string>>>>;
};

/** The broker counts durations in ns. */
export const durationNs = nanos;

/**
 * Creates what is missing and reports what is different; what is there is never changed. Safe to run from many
 * processes at once. What this user may not look at is somebody else's and left alone. Rejects with `denied` where
 * something is missing that this user may not create, with `no_responders` where the server has no JetStream, and with
 * `unavailable` where a stream has, or would have, replicas that the server cannot keep alike.
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

/** Before it, of two compare-and-sets on a stream of several replicas both may succeed: nats-server issue 4320. */
const oldestReplicating = "2.9.21";

function refuseReplicas({ version }: Connection, { streams }: Topology, found: Drift[]): void {
  const actual = found.filter(({ setting }) => setting === "num_replicas").map((drift) => drift.actual);
  const counts = [...streams.map((stream) => stream.num_replicas), ...actual];
  if (counts.every((replicas) => Number(replicas ?? 1) <= 1)) return;
  const text = `nats-server ${version} cannot be trusted with several replicas: ${oldestReplicating} is the oldest that can`;
  throw new OrderctlError("unavailable", `${text}, before it stock may be oversold`, {
    hint: "update every server of the cluster; --replicas 1 keeps the streams on one of them",
  });
}

/** Before it, a stream that is nearly full stores what is new and then drops the oldest, though it is told to refuse. */
const oldestRefusing = "2.10.0";

function refuseLimits({ version }: Connection, { streams }: Topology): void {
  if (!streams.some(({ discard, max_bytes }) => discard === "new" && max_bytes !== undefined)) return;
  throw new OrderctlError("usage", `nats-server ${version} drops old messages near --max-bytes`, {
    hint: `from ${oldestRefusing} on it refuses new ones instead: update it, or leave out --max-bytes`,
  });
}

/**
 * Compares every setting that the broker tells with the topology, or with the broker's default where that names none; streams
 * first. Rejects with `denied` where this user may not look.
 */
export const readDrift = (connection: Connection, topology: Topology): Promise<Drift[]> =>
  compareAll(topology, (spec) => readConfig(connection, spec));

/** What this user may not look at counts as it should be. */
const readVisible = (connection: Connection, topology: Topology): Promise<Drift[]> =>
  compareAll(topology, (spec) =>
    readConfig(connection, spec).catch((thrown) => {
      if (thrown instanceof OrderctlError && thrown.code === "denied") return spec.wanted;
      throw thrown;
    }),
  );

/** `stream` is where a consumer belongs. */
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

/** As the broker has it; undefined where it has none. */
async function readConfig({ jsm }: Connection, { kind, name, stream }: Spec): Promise<Settings | undefined> {
  try {
    if (stream === undefined) return { ...(await jsm.streams.info(name)).config };
    return consumerSettings(await jsm.consumers.info(stream, name));
  } catch (thrown) {
    if (isMissing(thrown)) return undefined;
    throw fromNats(thrown, `read ${kind} ${name}`);
  }
}

/** The client does not know that a consumer can be paused (nats-server 2.11). */
type Pausable = ConsumerInfo & { paused?: boolean };

/** A pause that is over stays in the configuration. */
export function consumerSettings({ config, paused }: Pausable): Settings {
  const settings: Record<string, unknown> = { ...config };
  if (paused !== true) delete settings.pause_until;
  return settings;
}

/** True where there is no such stream or consumer. */
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
    hint: "a user that may create it does so with `orderctl topology apply`, once",
    cause: thrown,
  });
}

/** The streams that store something of these subjects; none where this user may not ask. */
async function streamsOn({ jsm }: Connection, subjects: readonly string[]): Promise<string[]> {
  const asked = subjects.map((subject) => jsm.streams.names(subject).next());
  return [...new Set((await Promise.all(asked).catch(() => [])).flat())];
}

/** When a stream was created (RFC 3339): it tells one incarnation of a stream from the next. */
export async function readStreamIdentity({ jsm }: Connection, stream: string): Promise<string> {
  try {
    const { created } = await jsm.streams.info(stream);
    return String(created);
  } catch (thrown) {
    throw fromNats(thrown, `read stream ${stream}`);
  }
}

/** How large a message of a stream may be by the stream's own settings; without an end where they say nothing. */
export async function readMaxMessageBytes({ jsm }: Connection, stream: string): Promise<number> {
  try {
    const { max_msg_size: most = -1 } = (await jsm.streams.info(stream)).config;
    return most > 0 ? most : Number.POSITIVE_INFINITY;
  } catch (thrown) {
    throw fromNats(thrown, `read stream ${stream}`);
  }
}

/** The sequence up to which every message that a consumer wants was acknowledged. */
export async function readAckFloor({ jsm }: Connection, stream: string, consumer: string): Promise<number> {
  try {
    return (await jsm.consumers.info(stream, consumer)).ack_floor.stream_seq;
  } catch (thrown) {
    throw fromNats(thrown, `read consumer ${consumer}`);
  }
}

/** What was done about settings that break a promise; `refusals` say why one could not be changed in place. */
export type Mending = { fixed: string[]; remade: string[]; refusals: string[] };

/**
 * Sets back every setting that breaks a promise, in place, so that a consumer keeps its place. What the broker does not
 * change in place is left; with `remake` a consumer is deleted then and made anew, and is given all that is stored once more.
 * No stream is ever made anew. Other differences are left as they are.
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
    const refusal = await changeInPlace(connection, spec, broken);
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

const readBroken = async (connection: Connection, spec: Spec): Promise<Drift[]> =>
  compareSettings(spec, await readConfig(connection, spec)).filter(({ leadsTo }) => leadsTo !== null);

/** All at once, as some belong together; else one by one, as one that is refused should not hold up the others. */
async function changeInPlace(
  connection: Connection,
  spec: Spec,
  drifts: Drift[],
): Promise<string | undefined> {
  const refusal = await change(connection, spec, drifts);
  if (refusal !== undefined && drifts.length > 1)
    for (const drift of drifts) await change(connection, spec, [drift]);
  return refusal;
}

/** The reason where the broker refuses it. */
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
