import type { OrderctlError } from "../../core/errors.ts";
import type { Publication, Stored } from "./publication.ts";

export type PublisherOptions = {
  /** How many publishes may be unacknowledged at once. */
  window?: number;
  /** How long a message is held and sent again while the broker does not store it; that of the connection by default. */
  giveUpMs?: number;
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
  /** When it was handed over, on the `performance.now()` clock. */
  since: number;
  attempt: number;
  /** Why the last attempt failed; undefined before that. */
  failure: string | undefined;
  /** Is it counted among those that wait for the end of an outage? */
  isHeld: boolean;
  /** After the second one a duplicate may be the message itself. */
  sends: number;
  /** How many of these the broker answered: where it was each of them, the message is not stored. */
  refusals: number;
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
  since: performance.now(),
  attempt: 1,
  failure: undefined,
  isHeld: false,
  sends: 0,
  refusals: 0,
  dueAt: 0,
  waiting: "ack",
});
