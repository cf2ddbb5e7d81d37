import { formatCount } from "../terminal/format.ts";
import { paint } from "../terminal/paint.ts";
import type { Style } from "../terminal/terminal.ts";
import type { DeadLetter } from "./dead-letters.ts";
import type { PurgeReport } from "./purge.ts";
import type { RedriveReport } from "./redrive.ts";
import { deadLetters } from "./text.ts";

const listed = 10;

/** How many were given to their consumers once more; which were left alone and why. */
export function redriveReport(
  { dryRun, redriven, left, forged, hopeless }: RedriveReport,
  style: Style,
): string {
  const { yellow, red, dim } = paint(style);
  const verb = dryRun ? "would be redriven" : "redriven";
  const hint =
    redriven.length > 0 && !dryRun ? ["", "What became of them: orderctl dlq list --redriven"] : [];
  return [
    redriven.length === 0 && left.length === 0
      ? "no dead letters to redrive"
      : `${deadLetters(redriven.length)} ${verb}`,
    ...shortened(redriven.map((letter) => `  ${nameOf(letter)}`)),
    ...(hopeless.length > 0
      ? [yellow(`not readable as events, so these will fail again: ${hopeless.slice(0, listed).join(", ")}`)]
      : []),
    ...(forged.length > 0
      ? [
          red(
            `not what they say, so somebody else may have stored these: ${forged.slice(0, listed).join(", ")}`,
          ),
        ]
      : []),
    ...(left.length > 0 ? ["", `${formatCount(left.length)} left alone`] : []),
    ...shortened(reasonsOf(left)),
    ...hint.map((line) => dim(line)),
  ].join("\n");
}

/** Each reason once, with the numbers that it is about. */
function reasonsOf(left: RedriveReport["left"]): string[] {
  const numbers = new Map<string, number[]>();
  for (const { letter, why } of left) {
    const same = numbers.get(why);
    if (same) same.push(letter.sequence);
    else numbers.set(why, [letter.sequence]);
  }
  return [...numbers].map(([why, all]) => {
    const others = all.length > listed ? ` and ${formatCount(all.length - listed)} more` : "";
    return `  ${all.slice(0, listed).join(", ")}${others}: ${why}`;
  });
}

export function purgeReport({ dryRun, purged }: PurgeReport, _style: Style): string {
  if (purged.length === 0) return "no dead letters to purge";
  const verb = dryRun ? "would be purged" : "purged";
  return [
    `${deadLetters(purged.length)} ${verb}`,
    ...shortened(purged.map((letter) => `  ${nameOf(letter)}`)),
  ].join("\n");
}

const nameOf = ({ sequence, service, orderId, subject, reason }: DeadLetter): string =>
  `${sequence}  ${service}  ${orderId ?? subject}  ${reason}`;

function shortened(lines: readonly string[]): string[] {
  const more = lines.length - listed;
  return more > 0 ? [...lines.slice(0, listed), `  and ${formatCount(more)} more`] : [...lines];
}
