import { formatCount } from "../../src/terminal/format.ts";
import type { Backlog } from "../support/read-log.ts";
import type { Ended } from "../support/supervised.ts";
import type { Finding } from "./books.ts";
import type { Judged } from "./judge.ts";
import type { Fault, FaultKind } from "./schedule.ts";
import type { Tortured } from "./tortured.ts";
import type { Unleashed } from "./unleash.ts";

/** What an operator would call it. */
const words: Record<FaultKind, string> = {
  kill: "kill -9",
  freeze: "SIGSTOP",
  cut: "cut the connections of",
  stall: "stall the connection of",
  slow: "400 ms for each call at",
  errors: "500 to 40% of the calls at",
  drops: "no answer to 40% of the charges at",
  outage: "503 to every call at",
  hang: "no answer to any call at",
  "lame duck": "lame duck mode (SIGUSR2) of",
  "second start": "a second nats-server on the store of",
  full: "no more messages in",
  burst: "five times the rate from",
  poison: "five messages nobody can read from",
};

const shownOffenders = 5;

/** Minutes, seconds and tenths since the start, then what is done to whom, and for how long. */
export function faultLine({ kind, target, forMs }: Fault, sinceStartMs: number): string {
  const lasting = forMs > 0 ? ` for ${(forMs / 1000).toFixed(1)} s` : "";
  const down = (kind === "kill" || kind === "lame duck") && forMs > 0 ? `, down${lasting}` : lasting;
  return `${clock(sinceStartMs)}  ${words[kind]} ${target}${down}`;
}

export function clock(ms: number): string {
  const tenths = Math.floor(ms / 100);
  const seconds = String(Math.floor(tenths / 10) % 60).padStart(2, "0");
  return `${Math.floor(tenths / 600)}:${seconds}.${tenths % 10}`.padStart(8);
}

/** Who has how much to do. */
export const backlogText = (backlog: Backlog): string =>
  Object.entries(backlog)
    .map(
      ([name, [pending, held]]) =>
        `${name} has ${formatCount(pending)} to come and ${formatCount(held)} in hand`,
    )
    .join("; ") || "somebody is still at work";

export type Summary = Judged & {
  tortured: Pick<Tortured, "booked" | "rules">;
  run: Unleashed;
  faults: readonly Fault[];
  drainSeconds: number;
  /** Processes that ended although nobody killed them. */
  ends: readonly Ended[];
};

/** What was done and what came of it, each promise with a mark, and the verdict last. */
export function summaryLines(summary: Summary): string[] {
  const { run, keys, events, charges, redelivered, mostAttempts, faults, drainSeconds, ends } = summary;
  const { booked, rules } = summary.tortured;
  const { one, many } = rules.noun;
  return [
    `${many.padEnd(13)} ${formatCount(keys)} acknowledged in ${run.seconds.toFixed(1)} s, ${formatCount(events)} events, ${formatCount(charges)} ${booked}`,
    `faults        ${faults.length}: ${tally(faults.map(({ kind }) => kind))}`,
    `redelivered   ${formatCount(redelivered)} events were stored at a second or later delivery, of ${mostAttempts} at most`,
    `poisoned      ${run.poisoned.size} messages`,
    `publishers    ${tallied(run.givenUp) || "none"} gave up and were started again`,
    `ended alone   ${ends.length} processes, and were started again`,
    ...ends.map(({ exitCode, stderr }) => `  exit ${exitCode}: ${stderr.trimEnd().split("\n").at(-1)}`),
    `drained       ${drainSeconds.toFixed(1)} s after the last fault was undone and the last ${one} stored`,
    "",
    ...summary.findings.flatMap(findingLines),
    isKept(summary.findings) ? "PASS" : "FAIL",
  ];
}

export const isKept = (findings: readonly Finding[]): boolean =>
  findings.every(({ broken }) => broken.length === 0);

function findingLines({ promise, checked, broken }: Finding): string[] {
  if (broken.length === 0) return [`✓ ${promise} (${formatCount(checked)})`];
  const more = broken.length - shownOffenders;
  return [
    `✗ ${promise}: ${formatCount(broken.length)} of ${formatCount(checked)}`,
    ...broken.slice(0, shownOffenders).map((offender) => `    ${offender}`),
    ...(more > 0 ? [`    … and ${formatCount(more)} more`] : []),
  ];
}

function tally(names: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return tallied(counts);
}

const tallied = (counts: ReadonlyMap<string, number>): string =>
  [...counts].map(([name, count]) => `${count} ${name}`).join(", ");
