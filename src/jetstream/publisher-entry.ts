import type { OrderctlError } from "../errors.ts";
import type { Publication, Stored } from "./publication.ts";

export type PublisherOptions = {
  /** How many publishes may be unacknowledged at once. */
  window?: number;
  /** How often one message is sent before `publish` rejects, at least; a lost connection uses up none. */
  attempts?: number;
  ackWaitMs?: number;
  /** First wait before another attempt; doubles each time, with jitter. */
  backoffMs?: number;
};

/** Who is told how a publication ended: one of both, once. */
export type Sink = { resolve(stored: Stored): void; reject(error: OrderctlError): void };

/** A publication that is not settled. */
export type Entry = {
  readonly publication: Publication;
  readonly sink: Sink;
  /** Where it is among those in flight. */
  slot: number;
  token: string;
  attempt: number;
  /** When its first attempt failed, on the `performance.now()` clock. */
  failingSince: number | undefined;
  /** After the second one a duplicate may be the message itself. */
  sends: number;
  /** When to act next, on the `performance.now()` clock: the ack's deadline, or the end of a backoff. */
  dueAt: number;
  waiting: "ack" | "backoff" | "answer";
};

/** An entry that is not sent yet. */
export const createEntry = (publication: Publication, sink: Sink): Entry => ({
  publication,
  sink,
  slot: -1,
  token: "",
  attempt: 1,
  failingSince: undefined,
  sends: 0,
  dueAt: 0,
  waiting: "ack",
});
