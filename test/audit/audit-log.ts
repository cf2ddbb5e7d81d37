import type { AuditReport } from "../../src/flow/audit-contract.ts";
import { createAuditor, type OrderAuditScope } from "../../src/orders/audit/auditor.ts";
import type { OrderEvent } from "../../src/orders/events.ts";

/** An audit at which every order had its time. */
export const later: OrderAuditScope = { nowMs: 1_000_000, graceMs: 30_000 };

/** Audits a log whose events were stored one per millisecond from 0 on. */
export function audit(log: readonly OrderEvent[], scope: OrderAuditScope = later): AuditReport {
  const auditor = createAuditor();
  log.forEach((event, index) => {
    auditor.add(event, index + 1, index);
  });
  return auditor.finish(scope);
}
