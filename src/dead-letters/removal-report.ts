import { operand } from "../core/foreign-text.ts";
import { formatCount } from "../terminal/format.ts";
import { paint } from "../terminal/paint.ts";
import { wrapWords } from "../terminal/plain-text.ts";
import type { Style } from "../terminal/terminal.ts";
import type { Removal } from "./false-event.ts";

/** What was removed and why it was no event; who may have stored it; what to type next. */
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

function next({ removed, sequence, subject, orderId, copies, waiting }: Removal): string[] {
  if (!removed) return ["", `Away with it: orderctl dlq remove-event ${sequence} --yes`];
  const give =
    waiting.length > 0 ? [`The order goes on with: orderctl dlq redrive ${waiting.join(" ")}`] : [];
  const away =
    copies.length > 0
      ? [`Its own dead letters are of no use: orderctl dlq purge ${copies.join(" ")} --yes`]
      : [];
  const look = orderId === null ? [] : [`What became of it: orderctl trace ${operand(orderId)}`];
  const again =
    subject.split(".")[1] === "created"
      ? ["The order itself was never stored: whoever sent it has to send it again"]
      : [];
  return ["", ...again, ...give, ...away, ...look];
}
