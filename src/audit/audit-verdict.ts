import type { AuditRule } from "../orders/audit-report.ts";
import { formatCount, formatDuration, formatRate } from "../terminal/format.ts";
import { paint } from "../terminal/paint.ts";
import type { Style } from "../terminal/terminal.ts";
import type { LogAudit } from "./audit-log.ts";
import { auditOffenders } from "./audit-offenders.ts";

/** Each promise as it reads when it was kept. */
const promises: Record<AuditRule, string> = {
  not_notified: "every order ended with a notification",
  duplicate_event: "no event of a kind twice for an order",
  missing_cause: "no event without its cause",
  shipment_mismatch: "a shipment exactly where stock was reserved",
  refund_mismatch: "a refund exactly where a paid order met an empty shelf",
  amount_mismatch: "each payment of what its order is worth, each refund of what was paid",
  charge_mismatch: "one charge for each paid order and one repayment for each refund, at the gateway",
  oversold: "no SKU oversold",
  unreadable: "every message is a valid event",
};

/** The verdict first; then what was counted, each promise with a mark, and who broke one. */
export const auditVerdict = (audit: LogAudit, style: Style): string =>
  [
    headline(audit, style),
    "",
    ...counts(audit),
    "",
    ...marks(audit, style),
    ...auditOffenders(audit, style),
  ].join("\n");

function headline(audit: LogAudit, style: Style): string {
  const { green, red, yellow } = paint(style);
  if (audit.verdict === "INCOMPLETE") return `${yellow.bold("INCOMPLETE")}  ${loss(audit)}`;
  if (audit.verdict === "FAIL") return `${red.bold("FAIL")}  ${blame(audit)}`;
  return `${green.bold("PASS")}  ${praise(audit)}`;
}

/** No verdict: an event that went may have been the cause, or the end, of one that was read. */
function loss({ gone, offences }: LogAudit): string {
  const found = offences === 0 ? "" : `; ${plural(offences, "violation")} may be for want of them`;
  const went = `${plural(gone, "message")} of the log went before ${gone === 1 ? "it was" : "they were"} read (purged, deleted or expired)`;
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

function marks(audit: LogAudit, style: Style): string[] {
  const { green, red, yellow } = paint(style);
  const [kept, broken, open] = style.unicode ? ["✓", "✗", "-"] : ["ok", "NO", "--"];
  const rules = (Object.keys(promises) as AuditRule[]).filter(
    (rule) => rule !== "charge_mismatch" || audit.booked !== null,
  );
  return rules.map((rule) => {
    const violations = audit.violations[rule];
    if (violations > 0) return `${red(broken)} ${promises[rule]}: ${red(plural(violations, "violation"))}`;
    if (audit.gone > 0) return `${yellow(open)} ${promises[rule]}: not proven`;
    if (rule !== "oversold") return `${green(kept)} ${promises[rule]}`;
    // Without any stock the promise holds of nothing, which is no proof.
    return audit.skus
      ? `${green(kept)} ${promises[rule]} (of ${formatCount(audit.skus)})`
      : `${yellow(open)} ${promises[rule]}: not checked, nobody keeps stock here`;
  });
}

const plural = (count: number, noun: string): string =>
  `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
