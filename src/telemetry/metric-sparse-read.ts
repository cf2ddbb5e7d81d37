import { OrderctlError } from "../errors.ts";

export type Sparseness = {
  /** At least so long between two reads. */
  everyMs: number;
  /** No caller waits longer. */
  patienceMs: number;
};

/**
 * Shares one read among all who ask within `everyMs`, and never starts a second while one is under way. Rejects as the
 * read does, and with `timeout` where it takes longer than a caller waits.
 */
export function createSparseRead<T>(
  read: () => Promise<T>,
  { everyMs, patienceMs }: Sparseness,
): () => Promise<T> {
  let latest: Promise<T> | undefined;
  let isUnderWay = false;
  let nextAt = 0;

  const start = async (): Promise<T> => {
    nextAt = performance.now() + everyMs;
    isUnderWay = true;
    try {
      return await read();
    } finally {
      isUnderWay = false;
    }
  };

  return () => {
    if (!latest || (!isUnderWay && performance.now() >= nextAt)) latest = start();
    return within(latest, patienceMs);
  };
}

async function within<T>(work: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const tooLong = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new OrderctlError("timeout", `no answer within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([work, tooLong]);
  } finally {
    clearTimeout(timer);
  }
}
