import type { NatsConnection } from "nats";
import { OrderctlError } from "../../core/errors.ts";
import { innerConnection } from "./internals.ts";
import { isPublishable } from "./wire-text.ts";

/**
 * A message to write. `headers` is a whole header block or empty; each character of `subject` and `reply` is one byte.
 */
export type Frame = { subject: string; reply: string; headers: string; payload: Uint8Array };

const publishWord = Buffer.from("PUB ");
const lineBreak = Buffer.from("\r\n");
const slabBytes = 64 * 1024;
/** Room for `HPUB`, the lengths and the line breaks of one frame. */
const overheadBytes = 64;
/** By default a broker accepts protocol lines of 4096 bytes; the reply subject and the sizes are on the same line. */
const maxSubjectBytes = 3500;

/**
 * Writes messages in the client protocol (https://docs.nats.io/reference/reference-protocols/nats-protocol) straight
 * into one buffer, which goes out once per turn of the event loop. The client's own `publish` makes four buffers and an
 * encoder call per message, a third of what a message costs. Frames are lost with the connection: whoever writes one
 * has to be able to write it again. Hot path: ~1 µs a frame.
 */
export class FrameWriter {
  readonly #nats: ReturnType<typeof innerConnection>;
  #slab = Buffer.allocUnsafeSlow(slabBytes);
  #start = 0;
  #end = 0;
  #scheduled = false;

  constructor(nats: NatsConnection) {
    this.#nats = innerConnection(nats);
  }

  /** The size of the largest message that the broker accepts, headers included. */
  get maxPayloadBytes(): number {
    return this.#nats.info?.max_payload ?? Number.POSITIVE_INFINITY;
  }

  /** Why the broker would end the connection over this message; undefined for a message that it accepts. */
  excessOf({ subject, headers, payload }: Omit<Frame, "reply">): string | undefined {
    // A UTF-16 code unit of a header has three bytes at most, so the bytes are counted only near the limit.
    const most = payload.length + headers.length * 3;
    if (most > this.maxPayloadBytes && payload.length + Buffer.byteLength(headers) > this.maxPayloadBytes)
      return `${payload.length} bytes are more than the broker takes`;
    if (subject.length > maxSubjectBytes) return `a subject has at most ${maxSubjectBytes} bytes`;
    return undefined;
  }

  /**
   * Throws `bad_message` and writes nothing when no message can be published under the subject or the reply subject.
   */
  write({ subject, reply, headers, payload }: Frame): void {
    if (!isPublishable(subject)) throw noSubject(subject);
    if (!isPublishable(reply)) throw noSubject(reply);
    const headerBytes = headers === "" ? 0 : Buffer.byteLength(headers);
    const total = headerBytes + payload.length;
    const to = `${subject} ${reply}`;
    const line = headerBytes === 0 ? `PUB ${to} ${total}\r\n` : `HPUB ${to} ${headerBytes} ${total}\r\n`;
    this.#reserve(to.length + total + overheadBytes);
    this.#end += this.#slab.write(line, this.#end, "latin1");
    if (headerBytes > 0) this.#end += this.#slab.write(headers, this.#end, "utf8");
    this.#finish(payload);
  }

  /**
   * Writes a message without headers and reply. The subject is in bytes as the broker sent it, so it needs no check.
   */
  writeTo(subject: Uint8Array, payload: Uint8Array): void {
    this.#reserve(subject.length + payload.length + overheadBytes);
    this.#append(publishWord);
    this.#append(subject);
    this.#end += this.#slab.write(` ${payload.length}\r\n`, this.#end, "latin1");
    this.#finish(payload);
  }

  #finish(payload: Uint8Array): void {
    this.#append(payload);
    this.#append(lineBreak);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.flush());
  }

  #append(bytes: Uint8Array): void {
    this.#slab.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  /** Hands what was written to the socket now. */
  flush(): void {
    this.#scheduled = false;
    if (this.#end === this.#start) return;
    const written = this.#slab.subarray(this.#start, this.#end);
    this.#start = this.#end;
    if (!this.#nats.isClosed()) this.#nats.protocol.sendCommand(written);
  }

  /**
   * Makes room for so many bytes. The socket reads from the slab until it has sent everything, so a full slab is
   * replaced, not reused.
   */
  #reserve(bytes: number): void {
    if (this.#end + bytes <= this.#slab.length) return;
    const scheduled = this.#scheduled;
    this.flush();
    this.#scheduled = scheduled;
    this.#slab = Buffer.allocUnsafeSlow(Math.max(slabBytes, bytes));
    this.#start = 0;
    this.#end = 0;
  }
}

const noSubject = (text: string): OrderctlError =>
  new OrderctlError(
    "bad_message",
    `${JSON.stringify(text)} is no subject that a message can be published under`,
    {
      source: "message",
    },
  );
