/** Runs tasks of one lane one after the other, and those of different lanes side by side. */
export class Lanes {
  readonly #last = new Map<string, Promise<void>>();

  /**
   * Resolves with the task, which waits for those given before it to the same lane. Rejects with one that failed there.
   */
  add(lane: string, task: () => Promise<void>): Promise<void> {
    const done = (this.#last.get(lane) ?? Promise.resolve()).then(task);
    this.#last.set(lane, done);
    return done;
  }
}
