import { Empty, type Msg, type Subscription } from "nats";
import type { Connection } from "./connection.ts";

/** How long a pull may wait at the broker. Short, so that a stopping worker soon has none outstanding. */
export const pullExpiresMs = 1000;

/** A pull whose end the broker never told (lost with a connection or a leader) is given up after this. */
const pullLostMs = pullExpiresMs + 2000;

/** The status of a pull that waited in vain. */
const expired = 408;

type Pull = { asked: number; givenUpAt: number };

/**
 * Asks a durable consumer for messages and keeps count of what is still to come, so that the caller never gets
 * more than it asked for; it is told at once when a pull waited in vain, so that it can ask again. Protocol: `$JS.API.CONSUMER.MSG.NEXT` with a reply inbox per pull; the broker sends
 * messages there and ends a pull with a status message (404 none, 408 expired, 409 cannot go on).
 */
export class PullRequests {
  readonly #connection: Connection;
  readonly #subject: string;
  readonly #inbox: string;
  readonly #subscription: Subscription;
  readonly #pulls = new Map<string, Pull>();
  #counter = 0;
  #outstanding = 0;

  constructor(
    connection: Connection,
    { stream, consumer, inbox }: { stream: string; consumer: string; inbox: string },
    on: { message: (message: Msg) => void; expired: () => void },
  ) {
    this.#connection = connection;
    this.#subject = `$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`;
    this.#inbox = inbox;
    this.#subscription = connection.nats.subscribe(`${inbox}.*`, {
      callback: (error, message) => {
        if (error) return;
        if (isStatus(message)) this.#onStatus(message, on.expired);
        else {
          this.#countDown();
          on.message(message);
        }
      },
    });
  }

  /** Messages asked for that have not come yet. */
  get outstanding(): number {
    return this.#outstanding;
  }

  ask(batch: number): void {
    this.#counter += 1;
    const id = this.#counter.toString(36);
    this.#pulls.set(id, { asked: batch, givenUpAt: performance.now() + pullLostMs });
    this.#outstanding += batch;
    const payload = Buffer.from(`{"batch":${batch},"expires":${pullExpiresMs * 1e6}}`);
    const { frames } = this.#connection;
    frames.write({ subject: this.#subject, reply: `${this.#inbox}.${id}`, headers: "", payload });
  }

  /** Forgets pulls that can no longer be answered: all of them after a reconnect, else only the overdue. */
  forget(all: boolean): void {
    const now = performance.now();
    for (const [id, pull] of this.#pulls) if (all || pull.givenUpAt < now) this.#end(id);
  }

  /** Ends the subscription after what the broker has already sent was handed over. */
  async close(): Promise<void> {
    if (this.#connection.isConnected()) await this.#subscription.drain();
    else this.#subscription.unsubscribe();
  }

  /** The broker answers pulls in the order in which they were made. */
  #countDown(): void {
    for (const [id, pull] of this.#pulls) {
      pull.asked -= 1;
      this.#outstanding -= 1;
      if (pull.asked <= 0) this.#pulls.delete(id);
      return;
    }
  }

  #onStatus(message: Msg, onExpired: () => void): void {
    const code = message.headers?.code ?? 0;
    if (code >= 200) this.#end(message.subject.slice(this.#inbox.length + 1));
    if (code === expired) onExpired();
  }

  #end(id: string): void {
    this.#outstanding -= this.#pulls.get(id)?.asked ?? 0;
    this.#pulls.delete(id);
  }
}

const isStatus = (message: Msg): boolean =>
  message.data.length === Empty.length && message.reply === "" && (message.headers?.code ?? 0) > 0;
