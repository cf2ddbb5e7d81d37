import type { Note } from "../../core/note.ts";
import type { Origin } from "../dead-letters/dead-letter.ts";
import type { Publication, Stored } from "../publish/publication.ts";
import type { Delivery } from "./delivery.ts";

/**
 * Turns a delivery into the message that it leads to, or into nothing; `Stored` where that message is known to be stored
 * already. It may set the delivery's `watch`.
 */
export type Processor = (
  delivery: Delivery,
  signal: AbortSignal,
) => Promise<Publication | Stored | undefined>;

export type WorkerOptions = {
  stream: string;
  consumer: string;
  /** Tells by the payload alone that a delivery leads to nothing: it is acknowledged at once, without the processor. */
  isIdle?: ((payload: Uint8Array) => boolean) | undefined;
  /** True while the worker is to pull no new messages. */
  isPaused?: (() => boolean) | undefined;
  /** How many deliveries are processed at once. */
  concurrency: number;
  /**
   * The consumer's ack wait, used while its settings are not known: during longer work, the worker tells the broker
   * three times within this time that the work goes on.
   */
  ackWaitMs: number;
  /** The first delay before a failed delivery is repeated; doubles with each attempt, with jitter. */
  backoffMs?: number;
  /**
   * Which deliveries are given up on, and where their copies go; without it every failed delivery is tried again later.
   */
  deadLetters?: DeadLetterRule | undefined;
  note: Note;
};

export type DeadLetterRule = {
  /** The stream that keeps the dead letters. */
  stream: string;
  /** The bucket that records the starts of messages suspected of a crash loop. */
  suspects: string;
  /** How often a message may fail, for a reason of its own, in one process. */
  maxAttempts: number;
  /**
   * For how long it is tried at least while no other message succeeds, which may be an outage and not its fault, ms; 0 by
   * default.
   */
  patienceMs?: number | undefined;
  /** The service, instance and consumer that the dead letter names as the ones that gave up. */
  service: string;
  instance: string;
  consumer: string;
  /** The consumer of the redrives of a delivery, where one consumer of the log has several; `consumer` by default. */
  consumerFor?(delivery: Delivery): string;
  /** The subject for the copy of a message that was stored with this subject. */
  subjectFor(subject: string, delivery: Delivery): string;
  /** Where the original of a redriven delivery was stored; undefined for a delivery that is an original. */
  originOf?(delivery: Delivery): { origin: Origin; redriveOf: number } | undefined;
};

export type WorkerCounts = { processed: number; failed: number; inFlight: number; duplicates: number };
