import type { Note } from "../../core/note.ts";
import type { Origin } from "../dead-letters/dead-letter.ts";
import type { Publication } from "../publish/publication.ts";
import type { Delivery } from "./delivery.ts";

/** From a delivery to the message that it leads to, or to nothing. It may set the delivery's `watch`. */
export type Processor = (delivery: Delivery, signal: AbortSignal) => Promise<Publication | undefined>;

export type WorkerOptions = {
  stream: string;
  consumer: string;
  /** Tells by its payload alone that a message leads to nothing: it is acknowledged at once. */
  isIdle?: ((payload: Uint8Array) => boolean) | undefined;
  /** True while nothing new is to be pulled. */
  isPaused?: (() => boolean) | undefined;
  /** How many deliveries are processed at once. */
  concurrency: number;
  /** The consumer's ack wait: longer work tells the broker three times within it that it goes on. */
  ackWaitMs: number;
  /** The first delay before a failed delivery comes again; doubles with each attempt, with jitter. */
  backoffMs?: number;
  /** What is given up on, and where it goes; without it every failure means *again later*. */
  deadLetters?: DeadLetterRule | undefined;
  note: Note;
};

export type DeadLetterRule = {
  /** The stream that keeps them. */
  stream: string;
  /** The bucket in which suspects of a crash loop are written down. */
  suspects: string;
  /** How often a message may fail, for a reason of its own, in one process. */
  maxAttempts: number;
  /** Who gives up. */
  service: string;
  instance: string;
  consumer: string;
  /** Where the copy of a message with this subject goes. */
  subjectFor(subject: string): string;
  /** Where a delivery came from that repeats another; its own place by default. */
  originOf?(delivery: Delivery): { origin: Origin; redriveOf: number } | undefined;
};

export type WorkerCounts = { processed: number; failed: number; inFlight: number; duplicates: number };
