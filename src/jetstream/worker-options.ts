import type { Note } from "../note.ts";
import type { Delivery } from "./delivery.ts";
import type { Publication } from "./publication.ts";

/** From a delivery to the message that it leads to, or to nothing. It may set the delivery's `watch`. */
export type Processor = (delivery: Delivery, signal: AbortSignal) => Promise<Publication | undefined>;

export type WorkerOptions = {
  stream: string;
  consumer: string;
  /** Tells by its payload alone that a message leads to nothing: it is acknowledged at once. */
  isIdle?: ((payload: Uint8Array) => boolean) | undefined;
  /** How many deliveries are processed at once. */
  concurrency: number;
  /** The consumer's ack wait: longer work tells the broker three times within it that it goes on. */
  ackWaitMs: number;
  /** The first delay before a failed delivery comes again; doubles with each attempt, with jitter. */
  backoffMs?: number;
  note: Note;
};

export type WorkerCounts = { processed: number; failed: number; inFlight: number; duplicates: number };
