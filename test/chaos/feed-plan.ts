/** Orders that one process publishes: `count` of them from `seed`, `rate` per second. */
export type Batch = { atMs: number; count: number; rate: number; seed: number };

export type FeedPlan = {
  steady: Batch[];
  /** Each beside the steady ones: five times the rate in all. */
  bursts: Batch[];
};

export type FeedOptions = {
  seed: number;
  spanMs: number;
  /** Orders altogether, those of the bursts included. */
  orders: number;
  burstsAtMs: readonly number[];
};

const batchMs = 10_000;
const burstMs = 2000;
/** Every batch has a seed of its own, and so do the batches of any two runs. */
const seedsPerRun = 10_000;

/** Who publishes what when, so that `orders` are spread over the span with bursts of five times the rate. */
export function planFeed({ seed, spanMs, orders, burstsAtMs }: FeedOptions): FeedPlan {
  const rate = orders / (spanMs / 1000);
  const bursting = Math.min(
    4 * rate * (Math.min(burstMs, spanMs / 20) / 1000),
    orders / 2 / burstsAtMs.length,
  );
  const burst = { count: Math.max(1, Math.floor(bursting)), rate: Math.max(1, Math.round(4 * rate)) };
  const steady = orders - burst.count * burstsAtMs.length;
  const parts = Math.ceil(spanMs / Math.min(batchMs, spanMs / 4));
  const upTo = (part: number) => Math.round((steady * part) / parts);
  const seedOf = (index: number) => seed * seedsPerRun + index;
  return {
    steady: Array.from({ length: parts }, (_, part) => ({
      atMs: (spanMs * part) / parts,
      count: upTo(part + 1) - upTo(part),
      rate: Math.max(1, Math.round(steady / (spanMs / 1000))),
      seed: seedOf(part),
    })),
    bursts: burstsAtMs.map((atMs, index) => ({ ...burst, atMs, seed: seedOf(parts + index) })),
  };
}
