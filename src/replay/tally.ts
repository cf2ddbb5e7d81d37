import { isoTime } from "../core/units.ts";
import type { StoredMessage } from "../jetstream/streams/read-message.ts";
import { subjectGroup } from "./selection.ts";

/** What was replayed; the fields are `null` when there was no message. */
export type ReplayCounts = {
  messages: number;
  /** By subject with the last token replaced by `*`; subjects beyond the first hundred count as `other`. */
  bySubject: Record<string, number>;
  firstSequence: number | null;
  lastSequence: number | null;
  firstStoredAt: string | null;
  lastStoredAt: string | null;
};

const maxGroups = 100;
const other = "other";

type Place = Pick<StoredMessage, "sequence" | "storedAtUs">;

/** Counts messages in constant memory. */
export class ReplayTally {
  readonly #groups = new Map<string, number>();
  #messages = 0;
  #first: Place | undefined;
  #last: Place | undefined;

  get messages(): number {
    return this.#messages;
  }

  add({ subject, sequence, storedAtUs }: StoredMessage): void {
    this.#messages += 1;
    const group = subjectGroup(subject);
    const key = this.#groups.has(group) || this.#groups.size < maxGroups ? group : other;
    this.#groups.set(key, (this.#groups.get(key) ?? 0) + 1);
    this.#last = { sequence, storedAtUs };
    this.#first ??= this.#last;
  }

  counts(): ReplayCounts {
    return {
      messages: this.#messages,
      bySubject: Object.fromEntries(this.#groups),
      firstSequence: this.#first?.sequence ?? null,
      lastSequence: this.#last?.sequence ?? null,
      firstStoredAt: timeOf(this.#first),
      lastStoredAt: timeOf(this.#last),
    };
  }
}

const timeOf = (place: Place | undefined): string | null => (place ? isoTime(place.storedAtUs) : null);
