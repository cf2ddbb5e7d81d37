import { createRandom, type Random } from "../../src/orders/generator.ts";

export const processes = ["worker one", "worker two", "archiver", "broker", "gateway"] as const;
/** Each reaches the broker through a proxy of its own. */
export const links = ["worker one", "worker two", "archiver", "publisher"] as const;

export type ProcessName = (typeof processes)[number];
export type LinkName = (typeof links)[number];
export type GatewayTrouble = "slow" | "errors" | "drops" | "outage" | "hang";

type Each<K extends string, T> = K extends K ? { kind: K; target: T } : never;

/** What is done to whom. */
type Act =
  | Each<"kill" | "freeze", ProcessName>
  | Each<"cut" | "stall", LinkName>
  | Each<GatewayTrouble, "gateway">
  | Each<"lame duck" | "second start", "broker">
  | Each<"full", "stream">
  | Each<"burst" | "poison", "publisher">;

/** `forMs`: how long it lasts; 0 for what is over at once. */
export type Fault = Act & { atMs: number; forMs: number };
export type FaultKind = Fault["kind"];

export type ScheduleOptions = {
  seed: number;
  /** The faults begin within this time. */
  spanMs: number;
  kills: number;
  /** The most that a fault may last. */
  longestMs: number;
};

const killActs: readonly Act[] = processes.map((target) => ({ kind: "kill", target }));
const otherActs: readonly Act[] = [
  ...processes.map((target): Act => ({ kind: "freeze", target })),
  ...links.flatMap((target): Act[] => [
    { kind: "cut", target },
    { kind: "stall", target },
  ]),
  ...(["slow", "errors", "drops", "outage", "hang"] as const).map(
    (kind): Act => ({ kind, target: "gateway" }),
  ),
  { kind: "lame duck", target: "broker" },
  { kind: "second start", target: "broker" },
  { kind: "full", target: "stream" },
  ...(["burst", "poison", "burst", "poison"] as const).map((kind): Act => ({ kind, target: "publisher" })),
];

const shortestMs = 300;
const longestDowntimeMs = 2000;

/**
 * Which faults in which order when: it depends on these options alone. There are `kills` kills, spread evenly over all
 * processes, and half as many other faults, but each of them once at least; both are spread over the whole span.
 */
export function buildSchedule({ seed, spanMs, kills, longestMs }: ScheduleOptions): Fault[] {
  const random = createRandom(seed);
  const others = Math.max(otherActs.length, Math.round(kills / 2));
  const spread = (acts: Act[]): Fault[] =>
    acts.map((act, index) => ({
      ...act,
      atMs: Math.round((spanMs * (index + random.nextFraction())) / acts.length),
      forMs: lasting(act, longestMs, random),
    }));
  return [
    ...spread(drawEvenly(killActs, kills, random)),
    ...spread(drawEvenly(otherActs, others, random)),
  ].sort((one, other) => one.atMs - other.atMs);
}

/**
 * Most are short, few are long. A broker that has ended is away for a while; all else that is killed is started at
 * once.
 */
function lasting({ kind, target }: Act, longestMs: number, random: Random): number {
  const drawn = Math.round(shortestMs + Math.max(0, longestMs - shortestMs) * random.nextFraction() ** 2);
  if (kind === "cut" || kind === "poison" || kind === "burst" || kind === "second start") return 0;
  if (kind !== "kill" && kind !== "lame duck") return drawn;
  return target === "broker" ? Math.min(drawn, longestDowntimeMs) : 0;
}

/** By chance, and yet every act comes as often as any other, give or take one: round after round in a new order. */
function drawEvenly(acts: readonly Act[], count: number, random: Random): Act[] {
  const drawn: Act[] = [];
  while (drawn.length < count) drawn.push(...shuffled(acts, random));
  return drawn.slice(0, count);
}

/** Fisher and Yates. */
function shuffled<T>(items: readonly T[], random: Random): T[] {
  const left = [...items];
  return items.flatMap(() => left.splice(Math.floor(random.nextFraction() * left.length), 1));
}
