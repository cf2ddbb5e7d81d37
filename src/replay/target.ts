import type { OrderctlError } from "../core/errors.ts";
import type { StreamMessage } from "../jetstream/streams/stream-message.ts";
import type { ReplayOutcome } from "./service.ts";

/** The target calls this exactly once per message: when its work on the message is complete, or failed for good. */
export type Settle = (error?: OrderctlError) => void;

/** Where messages are replayed to. */
export type ReplayTarget = {
  /**
   * Begins the work on a message. Returns a promise when the target is full; it resolves when there is room for another
   * message.
   */
  take(message: StreamMessage, settle: Settle): Promise<void> | undefined;
  /** Resolves when every message taken is settled. */
  drain(): Promise<void>;
  close(): Promise<void>;
  result(): ReplayResult;
};

export type ReplayResult = NoResult | PrefixResult | FileResult | ServiceResult;

export type NoResult = { target: "none" };

export type PrefixResult = {
  target: "prefix";
  prefix: string;
  /** The streams that store messages under the prefix. */
  streams: string[];
  stored: number;
  /**
   * `alreadyThere`: copies refused because their subject already held a message; `differentThere`: how many of those
   * messages have another payload.
   */
  alreadyThere: number;
  differentThere: number;
};

export type FileResult = {
  target: "file";
  /** `-` for stdout. */
  file: string;
  lines: number;
  /** Messages that do not decode as events; their lines hold the raw payload and the reason. */
  undecodable: number;
};

export type ServiceResult = {
  target: "service";
  service: string;
  /** Events by verdict: same outcome as stored, a different one, one that is not stored, no outcome, an error. */
  same: number;
  different: number;
  missing: number;
  nothing: number;
  failed: number;
  /**
   * Of the missing outcomes, how many this replay stored, and how many others had stored meanwhile; `null` unless
   * `store` is set.
   */
  stored: number | null;
  alreadyThere: number | null;
  /** The first outcomes that are different or failed. */
  differences: ReplayOutcome[];
};

/** Counts messages only, for dry runs. */
export const createNoTarget = (): ReplayTarget => ({
  take(_, settle) {
    settle();
    return undefined;
  },
  drain: async () => {},
  close: async () => {},
  result: () => ({ target: "none" }),
});
