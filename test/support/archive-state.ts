import type { ArchiveState } from "../../src/flow/log-archive.ts";
import type { ProcessStatus } from "../../src/flow/process-status.ts";

/** What a process tells that archives the log of orders, all being well. */
export const archiveState: ArchiveState = {
  ...{ stream: "ORDERS", store: "file:///var/lib/orders" },
  ...{
    movedTo: 1_234_567,
    movedToUs: Date.parse("2026-03-01T10:57:55.000Z") * 1000,
    firstSequence: 1_200_001,
  },
  ...{ segments: 25, bytes: 1.2e9, behind: 0, lagMs: 0, heldBack: null },
};

export const archiving = (
  archive: ArchiveState | null,
  change: Partial<ProcessStatus> = {},
): ProcessStatus => ({
  ...{ instance: "keeper", version: "1.0.0", services: ["archive"], startedAt: "2026-03-01T09:00:00.000Z" },
  ...{ uptimeMs: 10_000, stopping: false, breakers: [], workers: [], problems: [] },
  ...{ ordersUrl: null, metricsUrl: null, spansTo: null, archive },
  ...change,
});
