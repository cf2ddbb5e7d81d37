/** Is `version` (`2.9.10`, `v2.10.0-RC.1`) before `than`? False where it is no version. */
export function isOlder(version: string, than: string): boolean {
  const [numbers, others] = [numbersOf(version), numbersOf(than)];
  if (!numbers || !others) return false;
  const differing = numbers.findIndex((number, index) => number !== others[index]);
  return differing >= 0 && (numbers[differing] ?? 0) < (others[differing] ?? 0);
}

const numbersOf = (version: string): number[] | undefined =>
  /^v?(\d+)\.(\d+)\.(\d+)/.exec(version)?.slice(1).map(Number);
