import { durationNs, type Topology } from "../jetstream/streams/apply-topology.ts";

export const tracesStream = "TRACES";

/** `traceId` is lower-case hex. */
export const traceSubject = (traceId: string): string => `${tracesStream}.${traceId}`;

export type TraceLimits = {
  /** How long spans are kept. */
  keepMs: number;
  /** The maximum size of the stream; the oldest spans are deleted first. */
  maxBytes: number;
  replicas: number;
};

/** The limits that apply by default. */
export const traceDefaults: TraceLimits = { keepMs: 24 * 3_600_000, maxBytes: 1024 ** 3, replicas: 1 };

export const traceTopology = ({ keepMs, maxBytes, replicas }: TraceLimits): Topology => ({
  streams: [
    {
      name: tracesStream,
      subjects: [traceSubject("*")],
      storage: "file",
      retention: "limits",
      discard: "old",
      num_replicas: replicas,
      allow_direct: true,
      max_age: durationNs(keepMs),
      max_bytes: maxBytes,
    },
  ],
  consumers: [],
});
