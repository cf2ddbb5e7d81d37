import type { Msg, Subscription } from "nats";
import type { Connection } from "../client/connection.ts";
import { replyBytes } from "../client/raw-message.ts";
import { isAckOf } from "./delivery.ts";

/** What the broker allows: messages per pull, how long a pull may wait, and pulls at once. */
export type PullLimits = { batch: number; expiresMs: number; pulls: number };

/**
 * The limits for a consumer that allows everything. A pull waits for a short time, so that a stopping worker soon has
 * none open. No pull names a number of bytes, as a larger message would then never be delivered; a consumer's
 * `max_bytes` holds only for pulls that name one.
 */
export const unlimited: PullLimits = { batch: Number.POSITIVE_INFINITY, expiresMs: 1000, pulls: 8 };

/**
 * A pull whose end the broker never reports (lost with a connection or a leader) is given up this long after it should
 * have ended.
 */
const pullLostMs = 2000;

/** Statuses of a pull that the broker accepted but could not fill: 404 no messages, 408 expired. */
const served = new Set([404, 408]);

/** Why the broker refused a pull. */
export type Refusal = { code: number; text: string };

/** Holds one pull at a time, with its own subscription; `asked` counts the messages that are still to come. */
type Slot = { subscription: Subscription; reply: string; asked: number; givenUpAt: number };

type Handlers = {
  message: (message: Msg) => void;
  /** A pull expired before it was filled. */
  expired: () => void;
  refused: (refusal: Refusal) => void;
  /** The broker never reported the end of a pull. */
  silent: () => void;
};

/**
 * Pulls messages from a durable consumer and counts those still to come, so that the caller never gets more than it
 * asked for; the caller is told at once when a pull expires, so that it can pull again. Protocol:
 * `$JS.API.CONSUMER.MSG.NEXT` with a reply inbox per pull; the broker sends messages there and ends a pull that it did
 * not fill with a status message (404 none, 408 expired, 409 cannot go on). It fills several pulls in turn, and a
 * message does not say which pull it belongs to: hence one subscription per pull.
 */
export class PullRequests {
  readonly #connection: Connection;
  readonly #subject: string;
  readonly #names: Uint8Array;
  readonly #inbox: string;
  readonly #on: Handlers;
  readonly #slots: Slot[] = [];
  limits = unlimited;
  #counter = 0;
  #outstanding = 0;

  constructor(
    connection: Connection,
    { stream, consumer, inbox }: { stream: string; consumer: string; inbox: string },
    on: Handlers,
  ) {
    this.#connection = connection;
    this.#subject = `${connection.apiPrefix}.CONSUMER.MSG.NEXT.${stream}.${consumer}`;
    this.#names = Buffer.from(`${stream}.${consumer}.`);
    this.#inbox = inbox;
    this.#on = on;
  }

  /** Messages asked for that have not come yet. */
  get outstanding(): number {
    return this.#outstanding;
  }

  /** True while another pull may be sent. */
  get hasPlace(): boolean {
    return this.#slots.length < this.limits.pulls || this.#slots.some(({ asked }) => asked === 0);
  }

  /**
   * Pulls `wanted` messages, or as many as one pull may ask for. Returns false and does nothing on a connection that is
   * closed for good, as nothing would come.
   */
  ask(wanted: number): boolean {
    const { nats } = this.#connection;
    if (nats.isClosed() || nats.isDraining()) return false;
    const batch = Math.min(wanted, this.limits.batch);
    const slot = this.#slots.find(({ asked }) => asked === 0) ?? this.#openSlot();
    this.#counter += 1;
    slot.reply = `${slot.subscription.getSubject().slice(0, -1)}${this.#counter.toString(36)}`;
    slot.asked = batch;
    slot.givenUpAt = performance.now() + this.limits.expiresMs + pullLostMs;
    this.#outstanding += batch;
    const payload = Buffer.from(`{"batch":${batch},"expires":${Math.round(this.limits.expiresMs * 1e6)}}`);
    const { frames } = this.#connection;
    frames.write({ subject: this.#subject, reply: slot.reply, headers: "", payload });
    return true;
  }

  /** Forgets pulls that can no longer be answered: all of them after a reconnect, else only the overdue ones. */
  forget(all: boolean): void {
    const now = performance.now();
    let isSilent = false;
    for (const slot of this.#slots) {
      isSilent ||= !all && slot.asked > 0 && slot.givenUpAt < now;
      if (all || slot.givenUpAt < now) this.#end(slot);
    }
    if (isSilent && this.#connection.isConnected()) this.#on.silent();
  }

  /** Ends the subscriptions once the messages that the broker has already sent are handed over. */
  async close(): Promise<void> {
    const subscriptions = this.#slots.map(({ subscription }) => subscription);
    if (this.#connection.isConnected()) await Promise.all(subscriptions.map((each) => each.drain()));
    else for (const each of subscriptions) each.unsubscribe();
  }

  #openSlot(): Slot {
    const callback = (error: Error | null, message: Msg) => {
      if (error) return;
      if (isStatus(message)) this.#onStatus(slot, message);
      else if (isAckOf(replyBytes(message), this.#names)) this.#onMessage(slot, message);
    };
    const subject = `${this.#inbox}.${this.#slots.length}.*`;
    const subscription = this.#connection.nats.subscribe(subject, { callback });
    const slot = { subscription, reply: "", asked: 0, givenUpAt: 0 };
    this.#slots.push(slot);
    return slot;
  }

  #onMessage(slot: Slot, message: Msg): void {
    // A message of a pull that was given up, or that outlived its connection, is no longer counted as asked for.
    if (slot.asked > 0) {
      slot.asked -= 1;
      this.#outstanding -= 1;
    }
    this.#on.message(message);
  }

  #onStatus(slot: Slot, message: Msg): void {
    const code = message.headers?.code ?? 0;
    const isCurrent = slot.asked > 0 && message.subject === slot.reply;
    if (code >= 200 && isCurrent) this.#end(slot);
    if (served.has(code)) this.#on.expired();
    else if (code >= 400 && isCurrent)
      this.#on.refused({ code, text: message.headers?.description.trim() ?? "" });
  }

  #end(slot: Slot): void {
    this.#outstanding -= slot.asked;
    slot.asked = 0;
  }
}

/**
 * Called for every message, so it decodes nothing of a delivery: deliveries have a reply subject, statuses have none.
 */
const isStatus = (message: Msg): boolean =>
  replyBytes(message).length === 0 && (message.headers?.code ?? 0) > 0;
