import type { ErrorCode } from "../../core/errors.ts";
import type { ConnectionConfig } from "../../jetstream/client/connection-config.ts";
import type { Figures } from "./figures.ts";

export type PublishWay = "client" | "pipelined" | "publisher" | "publish-order";

export type Side = "bare" | "orderctl";

type Common = {
  connection: ConnectionConfig;
  /** Messages or orders. */
  count: number;
  /** Of the broker, where it is known. */
  brokerPid: number | null;
};

/** Where spans go, and of how many new traces a second. */
export type SpansTo = { collector: string; tracesPerSecond: number };

/** Stores `count` events, at most `window` unacknowledged. */
export type PublishTask = Common & { kind: "publish"; way: PublishWay; window: number };

/** Puts `count` orders into the log, `rate` per second or, with 0, as fast as `window` allows. */
export type GenerateTask = Common & {
  kind: "generate";
  side: Side;
  rate: number;
  window: number;
  /** Without it nothing is traced. */
  spansTo?: SpansTo | undefined;
};

/**
 * Carries `count` orders through the first stage or through all four; says that it is ready, and ends with the
 * last of them stored. With a `rate`, latencies are taken. Concurrency and window are those of orderctl's services.
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

/** What a child process is asked to do. Travels as JSON. */
export type BenchTask = PublishTask | GenerateTask | WorkTask;

/** What a child process tells. `figures` is `null` for a generator, which is not measured. */
export type BenchMessage =
  | { kind: "ready" }
  | { kind: "note"; text: string }
  | { kind: "done"; figures: Figures | null }
  | { kind: "failed"; code: ErrorCode; message: string };

/** How a task tells its parent that it is ready, and what its user should know. */
export type Tell = { ready: () => void; note: (text: string) => void };
