import type { Note } from "../../core/note.ts";

/** One reason why a worker cannot do its work; `forMs` is how long it has lasted. */
export type Problem = { text: string; forMs: number };

type Known = { text: string; since: number; seenAt: number };

/** How many problems are known at a time; further ones are not noted. */
const maxKnown = 20;

/** The problems that keep a worker from its work: each is noted once when it begins, and once when it is over. */
export class Problems {
  readonly #note: Note;
  readonly #who: string;
  readonly #known = new Map<string, Known>();

  constructor(who: string, note: Note) {
    this.#who = who;
    this.#note = note;
  }

  /** Notes a problem that is new or whose text has changed; false when too many are known to note it. */
  add(key: string, text: string): boolean {
    const now = performance.now();
    const known = this.#known.get(key);
    if (known?.text === text) {
      known.seenAt = now;
      return true;
    }
    if (!known && this.#known.size >= maxKnown) return false;
    this.#known.set(key, { text, since: now, seenAt: now });
    this.#note(`${this.#who}: ${text}`);
    return true;
  }

  end(key: string): void {
    const known = this.#known.get(key);
    if (!known) return;
    this.#known.delete(key);
    const seconds = ((performance.now() - known.since) / 1000).toFixed(1);
    this.#note(`${this.#who}: over after ${seconds} s: ${known.text}`, {}, "info");
  }

  /** Ends the problems whose key begins with `prefix` and that were not added again for `afterMs`. */
  endUnseen(prefix: string, afterMs: number): void {
    const before = performance.now() - afterMs;
    for (const [key, { seenAt }] of this.#known) if (key.startsWith(prefix) && seenAt < before) this.end(key);
  }

  list(): Problem[] {
    const now = performance.now();
    return [...this.#known.values()].map(({ text, since }) => ({ text, forMs: Math.round(now - since) }));
  }
}
