import { isDeepStrictEqual } from "node:util";
import { type ConsumerConfig, nanos, type StreamConfig } from "nats";
import type { Connection } from "./connection.ts";
import { apiErrorOf, apiErrors, fromNats } from "./nats-error.ts";

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
 * processes at once. Rejects with `no_responders` where the server has no JetStream.
 */
export async function applyTopology(connection: Connection, topology: Topology): Promise<Drift[]> {
  const missing = (drift: Drift) => drift.setting === "*";
  for (const drift of (await readDrift(connection, topology)).filter(missing)) {
    await create(connection, topology, drift);
  }
  return (await readDrift(connection, topology)).filter((drift) => !missing(drift));
}

/** Compares the broker with the topology: only the settings the topology names, streams first. */
export async function readDrift(connection: Connection, topology: Topology): Promise<Drift[]> {
  const drifts: Drift[] = [];
  for (const stream of topology.streams) {
    drifts.push(
      ...compare({ kind: "stream", name: stream.name }, stream, await readStream(connection, stream.name)),
    );
  }
  for (const { stream, ...consumer } of topology.consumers) {
    const name = consumer.durable_name;
    const actual = await readConsumer(connection, stream, name);
    drifts.push(...compare({ kind: "consumer", name }, consumer, actual));
  }
  return drifts;
}

function compare(what: Pick<Drift, "kind" | "name">, wanted: object, actual: object | undefined): Drift[] {
  if (!actual) return [{ ...what, setting: "*", wanted, actual: null }];
  const has = new Map<string, unknown>(Object.entries(actual));
  return Object.entries(wanted)
    .filter(([setting, value]) => !isDeepStrictEqual(has.get(setting), value))
    .map(([setting, value]) => ({ ...what, setting, wanted: value, actual: has.get(setting) ?? null }));
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
    throw fromNats(thrown, `create ${kind} ${name}`);
  }
}

const readStream = ({ jsm }: Connection, name: string): Promise<StreamConfig | undefined> =>
  jsm.streams.info(name).then(
    (info) => info.config,
    (thrown) => undefinedIfMissing(thrown, `read stream ${name}`),
  );

const readConsumer = (
  { jsm }: Connection,
  stream: string,
  name: string,
): Promise<ConsumerConfig | undefined> =>
  jsm.consumers.info(stream, name).then(
    (info) => info.config,
    (thrown) => undefinedIfMissing(thrown, `read consumer ${name}`),
  );

function undefinedIfMissing(thrown: unknown, what: string): undefined {
  const missing: (number | undefined)[] = [apiErrors.streamNotFound, apiErrors.consumerNotFound];
  if (!missing.includes(apiErrorOf(thrown))) throw fromNats(thrown, what);
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
