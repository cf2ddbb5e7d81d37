import type { OrderctlError } from "../core/errors.ts";
import type { StreamMessage } from "../jetstream/streams/stream-message.ts";
import type { ReplayOutcome } from "./service.ts";

/** To be called once for each message: when all that was to be done with it is done, or cannot be. */
export type Settle = (error?: OrderctlError) => void;

/** Where messages are replayed to. */
export type ReplayTarget = {
  /** Begins the work on a message; the promise, where there is one, resolves when there is room for another. */
  take(message: StreamMessage, settle: Settle): Promise<void> | undefined;
  /** Resolves when all that was taken is settled. */
  drain(): Promise<void>;
  close(): Promise<void>;
  result(): ReplayResult;
};

export type ReplayResult = NoResult | PrefixResult | FileResult | ServiceResult;

export type NoResult = { target: "none" };

export type PrefixResult = {
  target: "prefix";
  prefix: string;
  /** That store what is published there. */
  streams: string[];
  stored: number;
  /** Refused because the subject held a message, and how many of these had another payload. */
  alreadyThere: number;
  differentThere: number;
};

export type FileResult = {
  target: "file";
  /** `-` for stdout. */
  file: string;
  lines: number;
  /** Messages that are no event of an order; their lines have the payload as it is, and why. */
  undecodable: number;
};

export type ServiceResult = {
  target: "service";
  service: string;
  /** By what came of them: an event as the stored one, another, one that is not stored, none, an error. */
  same: number;
  different: number;
  missing: number;
  nothing: number;
  failed: number;
  /** Of the missing ones, stored now, and stored by somebody else meanwhile; `null` where nothing was to be stored. */
  stored: number | null;
  alreadyThere: number | null;
  /** The first of those that are different or failed. */
  differences: ReplayOutcome[];
};

/** Nothing is done with what is replayed; it is only counted. */
export const createNoTarget = (): ReplayTarget => ({
  take(_, settle) {
    settle();
    return undefined;
  },
  drain: async () => {},
  close: async () => {},
  result: () => ({ target: "none" }),
});
