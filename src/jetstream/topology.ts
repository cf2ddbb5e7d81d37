import { isDeepStrictEqual } from "node:util";
import { type ConsumerConfig, nanos, type StreamConfig } from "nats";
import { OrderctlError } from "../errors.ts";
import type { Connection } from "./connection.ts";
import { apiErrorOf, apiErrors, fromNats } from "./nats-error.ts";
import { isOlder } from "./server-version.ts";

type Settings = Readonly<Record<string, unknown>>;
type StreamSpec = Settings & { name: string };
type ConsumerSpec = Settings & { stream: string; durable_name: string };

/** Streams and durable consumers as they should be, in the broker's own field names. */
export type Topology = { streams: StreamSpec[]; consumers: ConsumerSpec[] };

/** A setting that is not as the topology wants it; `actual` is `null` where the whole thing is missing. */
export type Drift = {
  kind: "stream" | "consumer";
  name: string;
  setting: string;
  wanted: unknown;
  actual: unknown;
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

/**
 * Compares the broker with the topology: only the settings the topology names, streams first. Rejects with `denied`
 * where this user may not look.
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
type Spec = Pick<Drift, "kind" | "name"> & { stream?: string; wanted: Settings };

async function compareAll(
  { streams, consumers }: Topology,
  read: (spec: Spec) => Promise<object | undefined>,
): Promise<Drift[]> {
  const specs: Spec[] = [
    ...streams.map((wanted) => ({ kind: "stream" as const, name: wanted.name, wanted })),
    ...consumers.map(({ stream, ...wanted }) => ({
      kind: "consumer" as const,
      name: String(wanted.durable_name),
      stream,
      wanted,
    })),
  ];
  const drifts: Drift[] = [];
  for (const spec of specs) drifts.push(...compare(spec, await read(spec)));
  return drifts;
}

function compare({ kind, name, wanted }: Spec, actual: object | undefined): Drift[] {
  if (!actual) return [{ kind, name, setting: "*", wanted, actual: null }];
  const has = new Map<string, unknown>(Object.entries(actual));
  return Object.entries(wanted)
    .filter(([setting, value]) => !isDeepStrictEqual(has.get(setting), value))
    .map(([setting, value]) => ({
      kind,
      name,
      setting,
      wanted: value,
      actual: has.get(setting) ?? null,
    }));
}

/** As the broker has it; undefined where it has none. */
async function readConfig({ jsm }: Connection, { kind, name, stream }: Spec): Promise<object | undefined> {
  try {
    if (stream === undefined) return (await jsm.streams.info(name)).config;
    return (await jsm.consumers.info(stream, name)).config;
  } catch (thrown) {
    const missing: (number | undefined)[] = [apiErrors.streamNotFound, apiErrors.consumerNotFound];
    if (missing.includes(apiErrorOf(thrown))) return undefined;
    throw fromNats(thrown, `read ${kind} ${name}`);
  }
}

async function create({ jsm }: Connection, topology: Topology, { kind, name }: Drift): Promise<void> {
  try {
    if (kind === "stream") {
      const stream = topology.streams.find((spec) => spec.name === name);
      if (stream) await jsm.streams.add(stream as Partial<StreamConfig> & { name: string });
      return;
    }
    const spec = topology.consumers.find((consumer) => consumer.durable_name === name);
    if (!spec) return;
    const { stream, ...consumer } = spec;
    await jsm.consumers.add(stream, consumer as Partial<ConsumerConfig>);
  } catch (thrown) {
    throw notCreated(thrown, `${kind} ${name}`);
  }
}

function notCreated(thrown: unknown, what: string): OrderctlError {
  const error = fromNats(thrown, `create ${what}`);
  if (error.code !== "denied") return error;
  return new OrderctlError("denied", `${what} is missing; ${error.message}`, {
    hint: "a user that may create it does so with `orderctl topology apply`, once",
    cause: thrown,
  });
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

/** The sequence up to which every message that a consumer wants was acknowledged. */
export async function readAckFloor({ jsm }: Connection, stream: string, consumer: string): Promise<number> {
  try {
    return (await jsm.consumers.info(stream, consumer)).ack_floor.stream_seq;
  } catch (thrown) {
    throw fromNats(thrown, `read consumer ${consumer}`);
  }
}

/** One line for the operator. */
export const driftText = ({ kind, name, setting, wanted, actual }: Drift): string =>
  `${kind} ${name} has ${setting} ${JSON.stringify(actual)} instead of ${JSON.stringify(wanted)}; left as it is`;
