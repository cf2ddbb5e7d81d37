import { operand } from "../core/foreign-text.ts";
import { formatCount } from "../terminal/format.ts";
import { paint } from "../terminal/paint.ts";
import { wrapWords } from "../terminal/plain-text.ts";
import type { Style } from "../terminal/terminal.ts";
import type { DeadLetter } from "./dead-letters.ts";
import type { Removal } from "./false-event.ts";
import type { PurgeReport } from "./purge.ts";
import type { RedriveReport } from "./redrive.ts";
import { deadLetters } from "./table.ts";

const listed = 10;

/** How many dead letters were redriven, and which were left alone and why. */
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

/** Each reason once, with the numbers of its dead letters. */
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

/** What was removed and why it was not an event, who may have stored it, and the next commands to type. */
export function removalReport(removal: Removal, style: Style): string {
  const { removed, sequence, subject, fault, payloadBytes, storedAt, storedBy, claimedBy } = removal;
  const { dim, yellow } = paint(style);
  const claim = claimedBy === null ? "it does not say by whom" : `it says by ${claimedBy}, which is no proof`;
  const facts = [
    `stored ${storedAt}, ${formatCount(payloadBytes)} bytes; ${claim}`,
    ...(storedBy.length > 0
      ? [`may have been stored by the user ${storedBy.join(" or ")}, or an admin`]
      : []),
  ];
  return [
    `${removed ? "removed" : "would remove"} message ${sequence}, ${subject}`,
    ...(fault === null ? [] : wrapWords(fault, style.width - 2).map((line) => yellow(`  ${line}`))),
    ...facts.flatMap((fact) => wrapWords(fact, style.width - 2)).map((line) => dim(`  ${line}`)),
    ...next(removal),
  ].join("\n");
}

function next({ removed, sequence, isFirst, repeatOf, orderId, copies, waiting }: Removal): string[] {
  if (!removed && repeatOf !== null)
    return ["", `There is nothing to do: message ${repeatOf} counts. To remove it: --yes`];
  if (!removed) return ["", `Away with it: orderctl dlq remove-event ${sequence} --yes`];
  const give = waiting.length > 0 ? [`It goes on with: orderctl dlq redrive ${waiting.join(" ")}`] : [];
  const away =
    copies.length > 0
      ? [`Its own dead letters are of no use: orderctl dlq purge ${copies.join(" ")} --yes`]
      : [];
  const look = orderId === null ? [] : [`What became of it: orderctl trace ${operand(orderId)}`];
  const isNeverStored = isFirst && repeatOf === null;
  const again = isNeverStored ? ["It was never stored: whoever sent it has to send it again"] : [];
  return ["", ...again, ...give, ...away, ...look];
}
