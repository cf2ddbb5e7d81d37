import type { DeliveryInfo, Msg } from "nats";
// The package index does not export it, and parsing $JS.ACK subjects is the client's business.
import { parseInfo } from "nats/lib/jetstream/jsmsg.js";
import type { FrameWriter } from "./frame-writer.ts";
import { readHeader, replyBytes, subjectFrom } from "./raw-message.ts";

/** One hand-over of a message to a worker. `storedAtUs` is the broker's clock, Unix µs. */
export type Delivery = {
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
const working = encoder.encode("+WPI");
const nsPerMs = 1e6;

/**
 * A delivery with its answers. Nothing is parsed before it is asked for: half of the deliveries are of no interest
 * to their service. Answers: https://docs.nats.io/reference/reference-protocols/nats_api_reference. Hot path.
 */
export class ReceivedDelivery implements Delivery {
  /** When it was started, and when the broker was last told that work goes on; `performance.now()` in ms. */
  activeAt = 0;
  /** Where it is among those in flight. */
  slot = -1;
  readonly #message: Msg;
  readonly #frames: FrameWriter;
  #info: DeliveryInfo | undefined;
  #answered = false;

  constructor(message: Msg, frames: FrameWriter) {
    this.#message = message;
    this.#frames = frames;
  }

  get subject(): string {
    return subjectFrom(this.#message, 0);
  }

  get payload(): Uint8Array {
    return this.#message.data;
  }

  get sequence(): number {
    return this.#parsed.streamSequence;
  }

  get attempt(): number {
    return this.#parsed.redeliveryCount;
  }

  get storedAtUs(): number {
    return Math.floor(this.#parsed.timestampNanos / 1000);
  }

  header(name: string): string | undefined {
    return readHeader(this.#message, name);
  }

  ack(): void {
    this.#answer(ack);
  }

  /** Asks for another delivery, now or after a delay. */
  nak(delayMs?: number): void {
    this.#answer(
      delayMs === undefined ? nak : encoder.encode(`-NAK {"delay":${Math.ceil(delayMs * nsPerMs)}}`),
    );
  }

  /** Starts the ack wait afresh. */
  working(): void {
    if (!this.#answered) this.#write(working);
  }

  get #parsed(): DeliveryInfo {
    this.#info ??= parseInfo(this.#message.reply ?? "");
    return this.#info;
  }

  #answer(answer: Uint8Array): void {
    if (this.#answered) return;
    this.#answered = true;
    this.#write(answer);
  }

  #write(payload: Uint8Array): void {
    this.#frames.writeTo(replyBytes(this.#message), payload);
  }
}
