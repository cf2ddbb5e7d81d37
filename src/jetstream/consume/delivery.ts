import type { Msg } from "nats";
import type { OrderctlError } from "../../core/errors.ts";
import type { NoteFields } from "../../core/note.ts";
import type { FrameWriter } from "../client/frame-writer.ts";
import { headerBlock, headerIn, replyBytes, subjectFrom } from "../client/raw-message.ts";
import type { Stored } from "../publish/publication.ts";

/**
 * Follows a delivery after its processor has returned: `stored` when the message that it led to is stored, `failed`
 * when the delivery failed, and `settled` once at the end. An exception thrown by `stored` counts as a failure.
 */
export type DeliveryWatch = {
  stored(stored: Stored): void;
  failed(error: OrderctlError): void;
  settled(how: "ack" | "nak" | "term"): void;
  /** Fields that a note about the delivery should have beside its subject. */
  labels(): NoteFields;
};

/** One delivery of a message to a worker. `storedAtUs` is the broker's clock, Unix µs. */
export type Delivery = {
  /** Set by a processor that wants to follow the delivery. */
  watch: DeliveryWatch | undefined;
  readonly subject: string;
  readonly payload: Uint8Array;
  readonly sequence: number;
  /** 1 for the first delivery. */
  readonly attempt: number;
  readonly storedAtUs: number;
  header(name: string): string | undefined;
};

const encoder = new TextEncoder();
const ack = encoder.encode("+ACK");
const nak = encoder.encode("-NAK");
const term = encoder.encode("+TERM");
const working = encoder.encode("+WPI");
const nsPerMs = 1e6;
const maxBackoffMs = 30_000;

/**
 * A delivery and the acknowledgements that a worker can send for it. Fields are parsed when they are first read: half
 * of the deliveries are of no interest to their service. Acknowledgements:
 * https://docs.nats.io/reference/reference-protocols/nats_api_reference. Hot path.
 */
export class ReceivedDelivery implements Delivery {
  watch: DeliveryWatch | undefined;
  /** When work on it began, or the broker was last told that the work goes on; `performance.now()` in ms. */
  activeAt = 0;
  /** Its slot among the worker's deliveries in flight. */
  slot = -1;
  readonly #message: Msg;
  readonly #frames: FrameWriter;
  #subject: string | undefined;
  #payload: Uint8Array | undefined;
  #headers: string | undefined;
  #place: DeliveryPlace | undefined;
  #answered = false;

  constructor(message: Msg, frames: FrameWriter) {
    this.#message = message;
    this.#frames = frames;
  }

  get subject(): string {
    this.#subject ??= subjectFrom(this.#message, 0);
    return this.#subject;
  }

  get payload(): Uint8Array {
    this.#payload ??= this.#message.data;
    return this.#payload;
  }

  get sequence(): number {
    return this.#placed.sequence;
  }

  get attempt(): number {
    return this.#placed.attempt;
  }

  get storedAtUs(): number {
    return this.#placed.storedAtUs;
  }

  /** Names the delivery in a note. */
  toString(): string {
    return `${this.subject} (sequence ${this.sequence}, attempt ${this.attempt})`;
  }

  /** The header block as it came; empty when there are no headers. */
  get headerText(): string {
    this.#headers ??= headerBlock(this.#message);
    return this.#headers;
  }

  header(name: string): string | undefined {
    return headerIn(this.headerText, name);
  }

  ack(): void {
    this.#answer("ack", ack);
  }

  /** Asks for another delivery, now or after a delay. */
  nak(delayMs?: number): void {
    const delay =
      delayMs === undefined ? nak : encoder.encode(`-NAK {"delay":${Math.ceil(delayMs * nsPerMs)}}`);
    this.#answer("nak", delay);
  }

  /** Asks for another delivery after `backoffMs`, which doubles with each attempt, up to 30 s, with jitter. */
  nakLater(backoffMs: number): void {
    const wait = Math.min(backoffMs * 2 ** Math.min(this.attempt - 1, 16), maxBackoffMs);
    this.nak(wait * (0.75 + Math.random() / 2));
  }

  /** Tells the broker never to deliver the message again. */
  term(): void {
    this.#answer("term", term);
  }

  /** Restarts the ack wait, unless it was restarted less than `everyMs` ago. */
  keepAlive(everyMs: number): void {
    const now = performance.now();
    if (this.#answered || now - this.activeAt < everyMs) return;
    this.activeAt = now;
    this.#write(working);
  }

  get #placed(): DeliveryPlace {
    this.#place ??= readDeliveryPlace(replyBytes(this.#message));
    return this.#place;
  }

  #answer(how: "ack" | "nak" | "term", answer: Uint8Array): void {
    if (this.#answered) return;
    this.#answered = true;
    this.#write(answer);
    this.watch?.settled(how);
  }

  #write(payload: Uint8Array): void {
    this.#frames.writeTo(replyBytes(this.#message), payload);
  }
}

/**
 * What the reply subject of a delivery tells. `storedAtUs` is the broker's clock, Unix µs; `pending` counts the
 * messages that the consumer has not delivered yet.
 */
export type DeliveryPlace = {
  /** 1 for the first delivery. */
  attempt: number;
  /** Sequence of the message in its stream. */
  sequence: number;
  /** Sequence of the delivery among all those of its consumer, without gaps. */
  deliverySequence: number;
  storedAtUs: number;
  pending: number;
};

const [dot, digit0] = [46, 48];
/** How many digits to cut off a time in ns, which a double cannot hold, to get µs. */
const nsDigits = 3;
/**
 * Where each part of the reply subject that is being read begins; one place more than the longest one has parts before
 * its random last part.
 */
const starts = new Uint16Array(12);

/**
 * Reads the reply subject of a delivery: `$JS.ACK.<stream>.<consumer>.`, or with domain and account before those names,
 * then attempt, stream sequence, delivery sequence, time in ns and pending
 * (https://github.com/nats-io/nats-architecture-and-design, ADR-15). Throws for a subject with too few parts. The
 * client's parser makes a string of each part and a double of the time, so that one time in eight is a µs too late. Hot
 * path: ~0.2 µs.
 */
export function readDeliveryPlace(reply: Uint8Array): DeliveryPlace {
  const parts = findParts(reply);
  const numbersAt = parts === 9 ? 4 : 6;
  if (parts < numbersAt + 5) throw new Error("not the reply subject of a delivery");
  return {
    attempt: numberIn(reply, numbersAt, 0),
    sequence: numberIn(reply, numbersAt + 1, 0),
    deliverySequence: numberIn(reply, numbersAt + 2, 0),
    storedAtUs: numberIn(reply, numbersAt + 3, nsDigits),
    pending: numberIn(reply, numbersAt + 4, 0),
  };
}

const ackPrefix = Buffer.from("$JS.ACK.");

/**
 * Tells whether a reply subject belongs to a delivery of a consumer, `names` being `<stream>.<consumer>.`. Any other
 * message that reaches the inbox must not be acknowledged: its sender chose the reply subject, and the acknowledgement
 * is written with this program's permissions. Hot path: ~0.05 µs.
 */
export function isAckOf(reply: Uint8Array, names: Uint8Array): boolean {
  const at = ackPrefix.length;
  if (!hasAt(reply, ackPrefix, 0)) return false;
  return hasAt(reply, names, at) || hasAt(reply, names, reply.indexOf(dot, reply.indexOf(dot, at) + 1) + 1);
}

function hasAt(bytes: Uint8Array, part: Uint8Array, start: number): boolean {
  for (let at = 0; at < part.length; at += 1) if (bytes[start + at] !== part[at]) return false;
  return true;
}

/** Writes where the parts begin to `starts` and returns how many there are, at most twelve. */
function findParts(reply: Uint8Array): number {
  let parts = 1;
  for (let at = 0; at < reply.length && parts < starts.length; at += 1) {
    if (reply[at] === dot) starts[parts++] = at + 1;
  }
  if (parts < starts.length) starts[parts] = reply.length + 1;
  return parts;
}

function numberIn(reply: Uint8Array, part: number, digitsOff: number): number {
  const end = (starts[part + 1] ?? 0) - 1 - digitsOff;
  let value = 0;
  for (let at = starts[part] ?? 0; at < end; at += 1) value = value * 10 + (reply[at] ?? 0) - digit0;
  return value;
}
