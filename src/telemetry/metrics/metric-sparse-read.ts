import { within } from "../../core/within.ts";

export type Sparseness = {
  /** At least so long between two reads. */
  everyMs: number;
  /** No caller waits longer. */
  patienceMs: number;
};

/** A read may take a twentieth of the time: what takes long is read the more rarely. */
const restShare = 19;

/**
 * Shares one read among all who ask within `everyMs`, and never starts a second while one is under way. After a read that
 * took long it waits longer, so that nobody is kept busy with answering. Rejects as the read does, and with `timeout`
 * where it takes longer than a caller waits.
 */
export function createSparseRead<T>(
  read: () => Promise<T>,
  { everyMs, patienceMs }: Sparseness,
): () => Promise<T> {
  let latest: Promise<T> | undefined;
  let nextAt = 0;

  const start = async (): Promise<T> => {
    const startedAt = performance.now();
    nextAt = Number.POSITIVE_INFINITY;
    // After a failure the next one who asks may try again: the broker may be back.
    let restMs = 0;
    try {
      const answer = await read();
      restMs = Math.max(everyMs, (performance.now() - startedAt) * restShare);
      return answer;
    } finally {
      nextAt = performance.now() + restMs;
    }
  };

  return () => {
    if (!latest || performance.now() >= nextAt) latest = start();
    return within(latest, patienceMs, `no answer within ${patienceMs} ms`);
  };
}
