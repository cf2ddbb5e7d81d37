import type { Connection } from "../client/connection.ts";
import { readLast, type StoredMessage } from "../streams/read-message.ts";
import { readSubject } from "../streams/read-subject.ts";
import { deadLetterHeader, decodeMark } from "./dead-letter.ts";

/** The last sequence of a subject, and the deliveries of which it holds copies up to that sequence. */
export type Copies = { lastSequence: number; deliveries: Set<string> };

type Options = {
  stream: string;
  /** Only copies of deliveries whose identifier begins with this are remembered. */
  prefix: string;
  /**
   * How many subjects and deliveries are remembered in all; those of the subject that was read the longest ago go
   * first.
   */
  limit?: number;
};

/**
 * Remembers which copies the subjects of a stream hold: anybody can cause thousands of copies under one subject, and
 * reading all of them for each new copy would cost the square of their number.
 */
export class KeptCopies {
  readonly #connection: Connection;
  readonly #options: Required<Options>;
  readonly #known = new Map<string, Copies>();
  readonly #turns = new Map<string, Promise<unknown>>();
  #size = 0;

  constructor(connection: Connection, options: Options) {
    this.#connection = connection;
    this.#options = { limit: 20_000, ...options };
  }

  /**
   * Runs `work` one at a time for each subject: of several that store at once, all but one would lose the
   * compare-and-set and have to look again.
   */
  inTurn<T>(subject: string, work: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(subject) ?? Promise.resolve();
    const turn = before.then(work, work);
    const forget = () => {
      if (this.#turns.get(subject) === turn) this.#turns.delete(subject);
    };
    this.#turns.set(subject, turn);
    turn.then(forget, forget);
    return turn;
  }

  /** Reads the copies that came since the last look, or all of them when those seen then are gone. */
  async look(subject: string): Promise<Copies> {
    const { stream, prefix } = this.#options;
    const last = (await readLast(this.#connection, stream, subject))?.sequence ?? 0;
    const known = this.#take(subject);
    const copies =
      known && known.lastSequence <= last ? known : { lastSequence: 0, deliveries: new Set<string>() };
    if (copies.lastSequence < last) {
      const range = { stream, subject, from: copies.lastSequence + 1 };
      await readSubject(this.#connection, range, ({ sequence, header }: StoredMessage) => {
        const delivery = decodeMark(header(deadLetterHeader))?.delivery;
        if (delivery?.startsWith(prefix)) copies.deliveries.add(delivery);
        copies.lastSequence = sequence;
      });
    }
    this.#put(subject, copies);
    return copies;
  }

  /** Removes the entry while its subject is read, so that a failed read leaves no half-read entry behind. */
  #take(subject: string): Copies | undefined {
    const known = this.#known.get(subject);
    if (known) this.#size -= sizeOf(known);
    this.#known.delete(subject);
    return known;
  }

  #put(subject: string, copies: Copies): void {
    this.#known.set(subject, copies);
    this.#size += sizeOf(copies);
    for (const oldest of this.#known.keys()) {
      if (this.#size <= this.#options.limit) return;
      this.#take(oldest);
    }
  }
}

const sizeOf = ({ deliveries }: Copies): number => 1 + deliveries.size;
