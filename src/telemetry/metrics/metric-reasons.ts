const other = "other";
const shape = /^[a-z0-9_]{1,40}$/;

/**
 * Bounds what a stranger may write into a label: at most `limit` different names of 1 to 40 lower-case letters,
 * digits and underscores; all else becomes `other`.
 */
export function createReasons(limit = 50): (reason: string) => string {
  const known = new Set<string>();
  return (reason) => {
    if (known.has(reason)) return reason;
    if (known.size >= limit || !shape.test(reason)) return other;
    known.add(reason);
    return reason;
  };
}
