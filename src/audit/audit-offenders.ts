import { operand } from "../core/foreign-text.ts";
import type { AuditRule, Offender } from "../flow/auditor.ts";
import { formatCount } from "../terminal/format.ts";
import { paint } from "../terminal/paint.ts";
import { wrapWords } from "../terminal/plain-text.ts";
import type { Style } from "../terminal/terminal.ts";
import type { LogAudit } from "./audit-log.ts";

const shown = 20;

/** The first offenders, each with all it did, and what to type next; nothing where there is none. */
export function auditOffenders(
  rules: readonly AuditRule[],
  { offences, offenders }: LogAudit,
  style: Style,
): string[] {
  if (offences === 0) return [];
  const { bold, dim } = paint(style);
  const listed = offenders.slice(0, shown);
  const lines = [...new Set(listed.map(nameOf))].flatMap((name) => [
    bold(name),
    ...listed
      .filter((offender) => nameOf(offender) === name)
      .flatMap((found) => violation(rules, found, style)),
  ]);
  const more = offences - listed.length;
  const list = offences > offenders.length ? `the first ${offenders.length}` : "all";
  const orderId = listed.flatMap((offender) => offender.orderId ?? [])[0];
  const falseEvent = listed.find(isFalseEvent)?.sequence;
  const isLate = listed.some(({ rule }) => rule === "not_notified");
  return [
    "",
    ...lines,
    ...(more > 0 ? [dim(`and ${formatCount(more)} more; --json lists ${list}`)] : []),
    ...(orderId ? ["", `What happened to an order: orderctl trace ${operand(orderId)}`] : []),
    ...(falseEvent != null
      ? [`Away with what takes the place of an event: orderctl dlq remove-event ${falseEvent}`]
      : []),
    ...(isLate ? ["Is anybody working on what is late: orderctl lag"] : []),
  ];
}

/** Those that name a message and no second one: what is no event, and what was stored before its cause or without one. */
const isFalseEvent = ({ rule, sequence }: Offender): boolean =>
  sequence !== null && rule !== "duplicate_event";

function nameOf({ orderId, sku, sequence }: Offender): string {
  if (orderId !== null) return `order ${orderId}`;
  return sku === null ? `message ${sequence}` : `SKU ${sku}`;
}

function violation(
  rules: readonly AuditRule[],
  { rule, detail, sequence, orderId }: Offender,
  { width }: Style,
): string[] {
  const where = sequence !== null && orderId !== null ? ` (message ${sequence})` : "";
  const text = `${rules.find(({ name }) => name === rule)?.broken ?? rule}: ${detail}${where}`;
  return wrapWords(text, width - 4).map((line, index) => `${index === 0 ? "  " : "    "}${line}`);
}
