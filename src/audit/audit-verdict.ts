import { operand } from "../core/foreign-text.ts";
import type { Noun } from "../core/noun.ts";
import type { AuditRule, Offender } from "../flow/audit-contract.ts";
import type { Flow } from "../flow/flow.ts";
import { counted, formatCount, formatDuration, formatRate } from "../terminal/format.ts";
import { paint } from "../terminal/paint.ts";
import { wrapWords } from "../terminal/plain-text.ts";
import type { Style } from "../terminal/terminal.ts";
import { archiveRule, type LogAudit } from "./audit-log.ts";

/** First the verdict, then the counts, a mark for each promise, and who broke one. */
export const auditVerdict =
  ({ audit: ofFlow, noun }: Pick<Flow, "audit" | "noun">) =>
  (audit: LogAudit, style: Style): string => {
    const rules = [...ofFlow.rules, archiveRule];
    return [
      headline(audit, noun, style),
      "",
      ...counts(audit),
      ...coverage(audit, noun).flatMap((text) => wrapWords(text, style.width)),
      "",
      ...marks(rules, audit, style),
      ...leftOut(rules, audit),
      ...auditOffenders({ rules, noun }, audit, style),
    ].join("\n");
  };

function headline(audit: LogAudit, noun: Noun, style: Style): string {
  const { green, red, yellow } = paint(style);
  if (audit.verdict === "INCOMPLETE") return `${yellow.bold("INCOMPLETE")}  ${loss(audit)}`;
  if (audit.verdict === "FAIL") return `${red.bold("FAIL")}  ${blame(audit, noun)}`;
  return `${green.bold("PASS")}  ${praise(audit, noun)}`;
}

/** No verdict is possible: a lost event may have been the cause or the ending of one that was read. */
function loss(audit: LogAudit): string {
  const { gone, offences } = audit;
  const found = offences === 0 ? "" : `; ${plural(offences, "violation")} may be for want of them`;
  const went =
    gone > 0
      ? `${plural(gone, "message")} of the log went before ${gone === 1 ? "it was" : "they were"} read (${removed})`
      : whatIsCut(audit);
  return `nothing is proven: ${went}${found}`;
}

const removed = "purged, deleted or expired";

function whatIsCut({ firstSequence, archivedFrom, archivedTo }: LogAudit): string {
  if (archivedTo === 0)
    return `the log begins with message ${formatCount(firstSequence)}: those before are ${removed}`;
  if (firstSequence <= archivedTo + 1)
    return `the archive begins with message ${formatCount(archivedFrom)}: those before were ${removed}`;
  const [first, last] = [archivedTo + 1, firstSequence - 1].map(formatCount);
  const missing = first === last ? `message ${first} is` : `messages ${first} to ${last} are`;
  return `${missing} neither in the archive nor in the stream any more (${removed})`;
}

function praise({ orders, ended, underWay, since }: LogAudit, noun: Noun): string {
  if (orders === 0)
    return since === null ? `there is no ${noun.one} in the log` : `no ${noun.one} was created since`;
  if (underWay === 0) return `${counted(orders, noun)}, each ended exactly once`;
  return `${counted(orders, noun)}: ${formatCount(ended)} ended exactly once, ${formatCount(underWay)} under way`;
}

function blame({ offences, offenders, orders }: LogAudit, noun: Noun): string {
  if (offences > offenders.length)
    return `${formatCount(offences)} violations among ${counted(orders, noun)}`;
  const ids = new Set(offenders.flatMap(({ orderId }) => orderId ?? []));
  const skus = new Set(offenders.flatMap(({ sku }) => sku ?? []));
  const archive = offenders.some(isOfArchive);
  const others = offenders.filter(
    (each) => each.orderId === null && each.sku === null && !isOfArchive(each),
  ).length;
  const parts = [
    archive ? "the archive" : "",
    ids.size > 0 ? `${formatCount(ids.size)} of ${counted(Math.max(orders, ids.size), noun)}` : "",
    skus.size > 0 ? plural(skus.size, "SKU") : "",
    others > 0 ? plural(others, "message") : "",
  ];
  const verb = ids.size + skus.size + others + Number(archive) === 1 ? "breaks" : "break";
  return `${parts.filter((part) => part !== "").join(" and ")} ${verb} a promise`;
}

const isOfArchive = ({ rule }: Pick<Offender, "rule">): boolean => rule === archiveRule.name;

function counts({ outcomes, underWay, graceMs, messagesRead, seconds }: LogAudit): string[] {
  const ends = Object.entries(outcomes).map(([outcome, count]) => `${outcome} ${formatCount(count)}`);
  const young = underWay > 0 ? ` (younger than ${formatDuration(graceMs)})` : "";
  return [
    [...ends, `under way ${formatCount(underWay)}${young}`].join("   "),
    `${plural(messagesRead, "event")} read in ${formatDuration(seconds * 1000)}, ${formatRate(messagesRead / seconds)}`,
  ];
}

/** What of the log was judged, and what of it was not read for that. */
function coverage(audit: LogAudit, { many }: Noun): string[] {
  const { since, repeats, archivedTo, archivedUntil } = audit;
  const lines: string[] = [];
  if (since !== null) lines.push(`only ${many} created since ${minute(since)}, and events stored since`);
  if (archivedTo > 0) {
    const end = `message ${formatCount(archivedTo)} (${minute(archivedUntil)})`;
    lines.push(`archived up to ${end}${since === null ? `; ${howArchived(audit)}` : ""}`);
  }
  if (repeats > 0) lines.push(`${plural(repeats, "repeat")} of archived ${many}; nothing followed from them`);
  return lines;
}

function howArchived({ readFrom, archivedTo, archiveFaults }: LogAudit): string {
  if (readFrom === 1) return "it was read again";
  if (readFrom <= archivedTo) return `the audit of messages before ${formatCount(readFrom)} is taken over`;
  return archiveFaults === null
    ? "its audit is taken over, --all reads it again"
    : "its audit is taken over, as not all of it can be read";
}

/** `2026-11-27 10:12Z` */
const minute = (time: string | null): string => (time ? `${time.slice(0, 16).replace("T", " ")}Z` : "-");

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

const leftOut = (rules: readonly AuditRule[], audit: LogAudit): string[] =>
  rules.flatMap(({ leftOut: left }) => {
    const count = left ? Number(audit[left.count] ?? 0) : 0;
    return left && count > 0 ? [`  ${plural(count, left.noun)} ${left.why}`] : [];
  });

const plural = (count: number, noun: string): string =>
  `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;

const shown = 20;

/** The first offenders, each with all its violations, and the next commands to type; empty without violations. */
function auditOffenders(
  { rules, noun }: { rules: readonly AuditRule[]; noun: Noun },
  { offences, offenders }: LogAudit,
  style: Style,
): string[] {
  if (offences === 0) return [];
  const { bold, dim } = paint(style);
  const listed = offenders.slice(0, shown);
  const nameIn = (offender: Offender) => nameOf(offender, noun);
  const lines = [...new Set(listed.map(nameIn))].flatMap((name) => [
    bold(name),
    ...listed
      .filter((offender) => nameIn(offender) === name)
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
    ...(orderId ? ["", `What happened to it: orderctl trace ${operand(orderId)}`] : []),
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

function nameOf({ rule, orderId, sku, sequence }: Offender, { one }: Noun): string {
  if (isOfArchive({ rule })) return "the archive";
  if (orderId !== null) return `${one} ${orderId}`;
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
