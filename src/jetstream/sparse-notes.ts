const everyMs = 1000;

/** Passes on the first note at once, then at most one a second: the latest, and how many it stands for. */
export class SparseNotes {
  readonly #note: (text: string) => void;
  #nextAt = 0;
  #latest = "";
  #held = 0;

  constructor(note: (text: string) => void) {
    this.#note = note;
  }

  add(text: string): void {
    this.#latest = text;
    this.#held += 1;
    this.flush();
  }

  /** To be called now and then, so that the last ones are not held for ever. */
  flush(): void {
    const now = performance.now();
    if (this.#held === 0 || now < this.#nextAt) return;
    const others = this.#held - 1;
    this.#note(others > 0 ? `${this.#latest} (and ${others} more like it)` : this.#latest);
    this.#held = 0;
    this.#nextAt = now + everyMs;
  }
}
