/** Runs work one after the other for each key, and at the same time for different keys; a failure lets the next begin. */
export class InTurn {
  readonly #last = new Map<string, Promise<unknown>>();

  run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key);
    const own = before ? before.then(work, work) : work();
    this.#last.set(key, own);
    const end = () => {
      if (this.#last.get(key) === own) this.#last.delete(key);
    };
    own.then(end, end);
    return own;
  }
}
