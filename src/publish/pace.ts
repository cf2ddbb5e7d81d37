export type Profile = "steady" | "burst";

const burstPeriodS = 10;
const burstShare = 1 / 5;
const burstFactor = 5;

/**
 * How many orders are due `elapsedS` seconds after the start. `steady`: `rate` per second. `burst`: in every ten
 * seconds eight at `rate` and then two at five times `rate`.
 */
export function dueBy(elapsedS: number, { rate, profile }: { rate: number; profile: Profile }): number {
  if (profile === "steady") return Math.floor(rate * elapsedS);
  const calmS = burstPeriodS * (1 - burstShare);
  const perPeriod = rate * (calmS + burstPeriodS * burstShare * burstFactor);
  const intoPeriodS = elapsedS % burstPeriodS;
  const inPeriod = rate * (intoPeriodS + Math.max(0, intoPeriodS - calmS) * (burstFactor - 1));
  return Math.floor(Math.floor(elapsedS / burstPeriodS) * perPeriod + inPeriod);
}
