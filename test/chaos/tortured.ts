import type { Flow } from "../../src/flow/flow.ts";
import type { LedgerEntry } from "../../src/orders/gateway/simulator/ledger.ts";
import type { BookRules } from "./books.ts";
import type { Batch } from "./feed-plan.ts";

export type Poison = { subject: string; payload: Uint8Array };

/** What the processes of a world are told. */
export type Serving = { gatewayUrl: string; breakerOpenMs: number; keys: number };

/** A flow, as chaos runs it, feeds it, poisons it and reads its books. */
export type Tortured = {
  flow: Flow;
  rules: BookRules;
  /** What the gateway books, in the report. */
  booked: string;
  /** Names the flow, at the end of every command line about it; begins with a space. */
  words: string;
  /** `serve` of all its services. */
  serve(serving: Serving): { words: string; env?: NodeJS.ProcessEnv };
  /** Flags of `serve gateway`, which is what its services call. */
  gatewayWords: string;
  auditWords(gatewayUrl: string): string;
  /** The command that publishes a batch; may write a file into the folder. */
  publish(batch: Batch, folder: string): Promise<string>;
  /** The keys that a batch has, as subjects hold them. */
  keysOf(batch: Batch): Iterable<string>;
  /** The n-th message of a run that nobody can work on, under a subject of its own, which one consumer takes. */
  poison(seed: number, number: number): Poison;
  /** Whose booking it is. */
  keyOf(entry: LedgerEntry): string;
  /** For how long the gateway is away once, besides all else that is done to it; ms. */
  absenceMs: number;
};
