import type { ErrorCode } from "../../core/errors.ts";
import type { ConnectionConfig } from "../../jetstream/client/connection-config.ts";
import type { Figures } from "./figures.ts";

export type PublishWay = "client" | "pipelined" | "publisher" | "publish-order";

export type Side = "bare" | "orderctl";

type Common = {
  connection: ConnectionConfig;
  /** Number of messages or orders. */
  count: number;
  /** Process id of the broker, if known. */
  brokerPid: number | null;
};

/** URL of the collector that gets the spans, and the number of new traces per second. */
export type SpansTo = { collector: string; tracesPerSecond: number };

/** Stores `count` events, at most `window` unacknowledged. */
export type PublishTask = Common & { kind: "publish"; way: PublishWay; window: number };

/** Publishes `count` orders, `rate` per second or, if `rate` is 0, as fast as `window` allows. */
export type GenerateTask = Common & {
  kind: "generate";
  side: Side;
  rate: number;
  window: number;
  /** If absent, nothing is traced. */
  spansTo?: SpansTo | undefined;
};

/**
 * Carries `count` orders through the first stage or through all four; reports that it is ready, and ends once the last
 * order is stored. Latencies are taken only if there is a `rate`. `concurrency` and `window` are those of orderctl's
 * services.
 */
export type WorkTask = Common & {
  kind: "work";
  side: Side;
  stages: 1 | 4;
  rate: number;
  concurrency: number;
  window: number;
  spansTo?: SpansTo | undefined;
};

export const stages = ["shipping", "notification"] as const;
export type Stage = (typeof stages)[number];

/**
 * Works off `count` events that one service takes, which are stored before: of the built-in flow, or of the same flow as
 * a user would define it. `concurrency` and `window` are those of the service.
 */
export type StageTask = Common & {
  kind: "stage";
  flow: "built-in" | "defined";
  stage: Stage;
  concurrency: number;
  window: number;
};

/** What a child process is asked to do. Sent as JSON. */
export type BenchTask = PublishTask | GenerateTask | WorkTask | StageTask;

/** What a child process reports. `figures` is `null` for a process that makes orders, which is not measured. */
export type BenchMessage =
  | { kind: "ready" }
  | { kind: "note"; text: string }
  | { kind: "done"; figures: Figures | null }
  | { kind: "failed"; code: ErrorCode; message: string };

/** How a task reports to its parent process that it is ready, and passes on notes for the user. */
export type Tell = { ready: () => void; note: (text: string) => void };
