import type { Note, NoteFields } from "./note.ts";

const everyMs = 1000;

/**
 * Passes on the first note at once, then at most one a second: the latest one, with the number of notes that it stands
 * for.
 */
export class SparseNotes {
  readonly #note: Note;
  #nextAt = 0;
  #latest: { text: string; fields: NoteFields | undefined } = { text: "", fields: undefined };
  #held = 0;

  constructor(note: Note) {
    this.#note = note;
  }

  add(text: string, fields?: NoteFields): void {
    this.#latest = { text, fields };
    this.#held += 1;
    this.flush();
  }

  /** To be called regularly, so that the last notes are not held back for ever. */
  flush(): void {
    const now = performance.now();
    if (this.#held === 0 || now < this.#nextAt) return;
    const others = this.#held - 1;
    const { text, fields } = this.#latest;
    this.#note(others > 0 ? `${text} (and ${others} more like it)` : text, fields);
    this.#held = 0;
    this.#nextAt = now + everyMs;
  }
}
