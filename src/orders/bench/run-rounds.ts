import type { Rounds } from "./bench-report.ts";
import type { Figures } from "./figures.ts";

type Ways<W extends string> = Record<W, () => Promise<Figures>>;

/**
 * Runs every way once in each round, one after the other. Each round starts with another way, so that no way always
 * runs first, on a machine that has just been idle.
 */
export async function runRounds<W extends string>(
  ways: Ways<W>,
  rounds: number,
  onRun: (way: W, round: number) => void,
): Promise<Rounds<W>> {
  const names = Object.keys(ways) as W[];
  const figures = Object.fromEntries(names.map((way) => [way, [] as Figures[]])) as Rounds<W>;
  for (let round = 0; round < rounds; round += 1) {
    const first = round % names.length;
    for (const way of [...names.slice(first), ...names.slice(0, first)]) {
      onRun(way, round + 1);
      figures[way].push(await ways[way]());
    }
  }
  return figures;
}
