import type { Msg } from "nats";
import type { OrderctlError } from "../../core/errors.ts";
import type { NoteFields } from "../../core/note.ts";
import type { FrameWriter } from "../client/frame-writer.ts";
import { headerBlock, headerIn, replyBytes, subjectFrom } from "../client/raw-message.ts";
import type { Stored } from "../publish/publication.ts";
import { type DeliveryPlace, readDeliveryPlace } from "./delivery-place.ts";

/**
 * Told how a delivery goes on once its processor has answered: what it led to is stored, or the delivery failed; then
 * it is settled, once. What `stored` throws counts as a failure.
 */
export type DeliveryWatch = {
  stored(stored: Stored): void;
  failed(error: OrderctlError): void;
  settled(how: "ack" | "nak" | "term"): void;
  /** What a note about the delivery should name beside its subject. */
  labels(): NoteFields;
};

/** One hand-over of a message to a worker. `storedAtUs` is the broker's clock, Unix µs. */
export type Delivery = {
  /** Set by the processor that wants to be told. */
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
 * A delivery with its answers. Nothing is parsed before it is asked for: half of the deliveries are of no interest
 * to their service. Answers: https://docs.nats.io/reference/reference-protocols/nats_api_reference. Hot path.
 */
export class ReceivedDelivery implements Delivery {
  watch: DeliveryWatch | undefined;
  /** When it was started, and when the broker was last told that work goes on; `performance.now()` in ms. */
  activeAt = 0;
  /** Where it is among those in flight. */
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

  /** What it is, for a line of text. */
  toString(): string {
    return `${this.subject} (sequence ${this.sequence}, attempt ${this.attempt})`;
  }

  /** All headers as they came; empty where there are none. */
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

  /** The same after `backoffMs`, which doubles with each attempt, up to 30 s, with jitter. */
  nakLater(backoffMs: number): void {
    const wait = Math.min(backoffMs * 2 ** Math.min(this.attempt - 1, 16), maxBackoffMs);
    this.nak(wait * (0.75 + Math.random() / 2));
  }

  /** Never again. */
  term(): void {
    this.#answer("term", term);
  }

  /** Starts the ack wait afresh, where it has gone on for `everyMs`. */
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
