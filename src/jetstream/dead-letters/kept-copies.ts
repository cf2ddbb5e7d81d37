import type { Connection } from "../client/connection.ts";
import { readLast, type StoredMessage } from "../streams/read-message.ts";
import { readSubject } from "../streams/read-subject.ts";
import { deadLetterHeader, decodeMark } from "./dead-letter.ts";

/** The last sequence of a subject, and which deliveries there are copies of below it. */
export type Copies = { lastSequence: number; deliveries: Set<string> };

type Options = {
  stream: string;
  /** How the names of deliveries begin that are asked for. */
  prefix: string;
  /** So many subjects and deliveries are remembered; those of what was looked at the longest ago go first. */
  limit?: number;
};

/**
 * Which copies the subjects of a stream hold, remembered from one look to the next: anybody can have thousands of copies
 * kept under one subject, and reading all of them for each would cost the square of their number.
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

  /** One after the other for a subject: of those that store at once, all but one would have to look again. */
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

  /** Reads what came since the last look, and everything where what was seen then is gone. */
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

  /** Nothing is known of it meanwhile: a look that fails half way leaves nothing behind. */
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
