import type { Msg, Subscription } from "nats";
import type { Connection } from "../client/connection.ts";
import { replyBytes } from "../client/raw-message.ts";
import { isAckOf } from "./delivery.ts";

/** What the broker allows: messages for one pull, how long that may wait there, and pulls at once. */
export type PullLimits = { batch: number; expiresMs: number; pulls: number };

/**
 * Where the consumer allows everything. A pull waits shortly, so that a stopping worker soon has none outstanding. No pull
 * names a number of bytes: a larger message would then never be delivered; the broker's limit holds for those that do.
 */
export const unlimited: PullLimits = { batch: Number.POSITIVE_INFINITY, expiresMs: 1000, pulls: 8 };

/** A pull whose end the broker never told (lost with a connection or a leader) is given up so long after it should have. */
const pullLostMs = 2000;

/** Statuses of a pull that was taken, and for which there was nothing, or not everything. */
const served = new Set([404, 408]);

/** Why the broker did not take a pull. */
export type Refusal = { code: number; text: string };

/** A place for one pull at a time, with a subscription of its own; `asked` is what is still to come of it. */
type Slot = { subscription: Subscription; reply: string; asked: number; givenUpAt: number };

type Handlers = {
  message: (message: Msg) => void;
  /** A pull waited in vain. */
  expired: () => void;
  refused: (refusal: Refusal) => void;
  /** The broker never told the end of a pull. */
  silent: () => void;
};

/**
 * Asks a durable consumer for messages and keeps count of what is still to come, so that the caller never gets
 * more than it asked for; it is told at once when a pull waited in vain, so that it can ask again. Protocol:
 * `$JS.API.CONSUMER.MSG.NEXT` with a reply inbox per pull; the broker sends messages there and ends a pull that it
 * did not fill with a status message (404 none, 408 expired, 409 cannot go on). It fills several pulls by turns, and a
 * message does not say which one it is for: hence the subscriptions.
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
   * Asks for so many, or what one pull may ask for. False, and nothing done, on a connection that is closed for good: nothing
   * will ever come there.
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

  /** Forgets pulls that can no longer be answered: all of them after a reconnect, else only the overdue. */
  forget(all: boolean): void {
    const now = performance.now();
    let isSilent = false;
    for (const slot of this.#slots) {
      isSilent ||= !all && slot.asked > 0 && slot.givenUpAt < now;
      if (all || slot.givenUpAt < now) this.#end(slot);
    }
    if (isSilent && this.#connection.isConnected()) this.#on.silent();
  }

  /** Ends the subscriptions after what the broker has already sent was handed over. */
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
    // Of a pull that was given up, or outlived its connection, none is asked for any more.
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

/** Looked at for every message: what has a reply subject is a delivery, and nothing of it is decoded for that. */
const isStatus = (message: Msg): boolean =>
  replyBytes(message).length === 0 && (message.headers?.code ?? 0) > 0;
