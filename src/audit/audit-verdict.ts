import { operand } from "../core/foreign-text.ts";
import type { AuditRule, Offender } from "../flow/audit-contract.ts";
import { formatCount, formatDuration, formatRate } from "../terminal/format.ts";
import { paint } from "../terminal/paint.ts";
import { wrapWords } from "../terminal/plain-text.ts";
import type { Style } from "../terminal/terminal.ts";
import type { LogAudit } from "./audit-log.ts";

/** First the verdict, then the counts, a mark for each promise, and who broke one. */
export const auditVerdict =
  (rules: readonly AuditRule[]) =>
  (audit: LogAudit, style: Style): string =>
    [
      headline(audit, style),
      "",
      ...counts(audit),
      "",
      ...marks(rules, audit, style),
      ...auditOffenders(rules, audit, style),
    ].join("\n");

function headline(audit: LogAudit, style: Style): string {
  const { green, red, yellow } = paint(style);
  if (audit.verdict === "INCOMPLETE") return `${yellow.bold("INCOMPLETE")}  ${loss(audit)}`;
  if (audit.verdict === "FAIL") return `${red.bold("FAIL")}  ${blame(audit)}`;
  return `${green.bold("PASS")}  ${praise(audit)}`;
}

/** No verdict is possible: a lost event may have been the cause or the ending of one that was read. */
function loss({ gone, firstSequence, offences }: LogAudit): string {
  const removed = "purged, deleted or expired";
  const found = offences === 0 ? "" : `; ${plural(offences, "violation")} may be for want of them`;
  const went =
    gone > 0
      ? `${plural(gone, "message")} of the log went before ${gone === 1 ? "it was" : "they were"} read (${removed})`
      : `the log begins with message ${formatCount(firstSequence)}: those before are ${removed}`;
  return `nothing is proven: ${went}${found}`;
}

function praise({ orders, ended, underWay }: LogAudit): string {
  if (orders === 0) return "there is no order in the log";
  if (underWay === 0) return `${plural(orders, "order")}, each ended exactly once`;
  return `${plural(orders, "order")}: ${formatCount(ended)} ended exactly once, ${formatCount(underWay)} under way`;
}

function blame({ offences, offenders, orders }: LogAudit): string {
  if (offences > offenders.length)
    return `${formatCount(offences)} violations among ${plural(orders, "order")}`;
  const ids = new Set(offenders.flatMap(({ orderId }) => orderId ?? []));
  const skus = new Set(offenders.flatMap(({ sku }) => sku ?? []));
  const others = offenders.filter(({ orderId, sku }) => orderId === null && sku === null).length;
  const parts = [
    ids.size > 0 ? `${formatCount(ids.size)} of ${plural(Math.max(orders, ids.size), "order")}` : "",
    skus.size > 0 ? plural(skus.size, "SKU") : "",
    others > 0 ? plural(others, "message") : "",
  ];
  const verb = ids.size + skus.size + others === 1 ? "breaks" : "break";
  return `${parts.filter((part) => part !== "").join(" and ")} ${verb} a promise`;
}

function counts({ outcomes, underWay, graceMs, events, seconds }: LogAudit): string[] {
  const ends = Object.entries(outcomes).map(([outcome, count]) => `${outcome} ${formatCount(count)}`);
  const young = underWay > 0 ? ` (younger than ${formatDuration(graceMs)})` : "";
  return [
    [...ends, `under way ${formatCount(underWay)}${young}`].join("   "),
    `${plural(events, "event")} read in ${formatDuration(seconds * 1000)}, ${formatRate(events / seconds)}`,
  ];
}

function marks(rules: readonly AuditRule[], audit: LogAudit, style: Style): string[] {
  const { green, red, yellow } = paint(style);
  const [kept, broken, open] = style.unicode ? ["✓", "✗", "-"] : ["ok", "NO", "--"];
  const told = rules.filter(({ onlyWith }) => onlyWith === undefined || audit[onlyWith] != null);
  return told.map(({ name, promise, checkedOf }) => {
    const violations = audit.violations[name] ?? 0;
    if (violations > 0) return `${red(broken)} ${promise}: ${red(plural(violations, "violation"))}`;
    if (audit.verdict === "INCOMPLETE") return `${yellow(open)} ${promise}: not proven`;
    if (!checkedOf) return `${green(kept)} ${promise}`;
    // Without anything to check, the promise counts as not checked rather than as kept.
    const count = Number(audit[checkedOf.count] ?? 0);
    return count > 0
      ? `${green(kept)} ${promise} (of ${formatCount(count)})`
      : `${yellow(open)} ${promise}: ${checkedOf.else}`;
  });
}

const plural = (count: number, noun: string): string =>
  `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;

const shown = 20;

/** The first offenders, each with all its violations, and the next commands to type; empty without violations. */
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
  const falseEvent = listed.find((offender) => isFalseEvent(rules, offender))?.sequence;
  const isLate = listed.some(({ rule }) => ruleOf(rules, rule)?.isLateness);
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

/**
 * True for a message that is not a valid event, or was stored before its cause or without one. Duplicates also name a
 * message, but there the second one is at fault.
 */
const isFalseEvent = (rules: readonly AuditRule[], { rule, sequence }: Offender): boolean =>
  sequence !== null && !ruleOf(rules, rule)?.isSurplus;

const ruleOf = (rules: readonly AuditRule[], name: string): AuditRule | undefined =>
  rules.find((rule) => rule.name === name);

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
  const text = `${ruleOf(rules, rule)?.broken ?? rule}: ${detail}${where}`;
  return wrapWords(text, width - 4).map((line, index) => `${index === 0 ? "  " : "    "}${line}`);
}
