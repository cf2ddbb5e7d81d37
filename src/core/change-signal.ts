/** Lets callers wait for a condition that changes now and then; costs nothing while nobody waits. */
export class ChangeSignal {
  #waiting: (() => void)[] = [];

  /** To be called after every change. */
  changed(): void {
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  /**
   * Resolves when `holds()` is true, which it checks at once and after every change, or at the first change after
   * `deadline` on the `performance.now()` clock.
   */
  async until(holds: () => boolean, deadline = Number.POSITIVE_INFINITY): Promise<void> {
    while (!holds() && performance.now() < deadline) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }
}
