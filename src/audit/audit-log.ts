import { OrderctlError } from "../core/errors.ts";
import { isoTime } from "../core/units.ts";
import type { ArchivedAudit, ArchivedLog } from "../flow/archived-log.ts";
import type { AuditReport, AuditRule, Offender } from "../flow/audit-contract.ts";
import { findRepeats } from "../flow/find-repeats.ts";
import type { Flow, FlowLog } from "../flow/flow.ts";
import type { BrokerClock, ClockDifference } from "../jetstream/client/broker-clock.ts";
import { readExtent } from "../jetstream/streams/read-message.ts";
import { readGivenUp } from "./given-up.ts";
import { type AuditSeen, countBeyond, type LogReading, nothingSeen, readForAudit } from "./log-reading.ts";

export type AuditOptions = {
  /** How long an order may be under way before it counts as late. */
  graceMs: number;
  /** The clock of the broker that holds the log. */
  clock: BrokerClock;
  signal: AbortSignal;
  /** Updated while the log is read. */
  seen: AuditSeen;
  /**
   * Reads the archived part of the log again, instead of taking over the audit that was made when it was archived, and
   * compares the archive's files with its manifest.
   */
  all?: boolean;
  /** Judges only orders created at this time or later, and events stored since, Unix µs. */
  sinceUs?: number | undefined;
  /** Options of the flow's own audit, which asks other sources besides the log. */
  options?: Readonly<Record<string, unknown>>;
};

export type LogAudit = Omit<AuditReport, "verdict"> & {
  /**
   * `INCOMPLETE` when messages were lost while the log was read, or when the log lacks messages and promises seem
   * broken: then neither a kept nor a broken promise is proven.
   */
  verdict: AuditReport["verdict"] | "INCOMPLETE";
  /** Messages that the log held when the audit began and that were deleted before they could be read. */
  gone: number;
  /**
   * The first sequence that the stream held when the audit began: above `archivedTo` + 1 where what was stored before
   * is neither there nor in the archive.
   */
  firstSequence: number;
  /** The first and the last sequence in the archive; 0 where nothing is archived. */
  archivedFrom: number;
  archivedTo: number;
  /** When message `archivedTo` was stored; `null` where nothing is archived. */
  archivedUntil: string | null;
  /** Of `events`, those whose audit was taken over from the archive. */
  archivedEvents: number;
  /** Faults of the archive; `null` where it was not compared with its manifest. */
  archiveFaults: number | null;
  /** The first sequence to be read, and how many messages were. */
  readFrom: number;
  messagesRead: number;
  /** Orders created and events stored before are not judged; `null` where all are. */
  since: string | null;
  graceMs: number;
  clock: ClockDifference;
  seconds: number;
  /** The counts of the flow's own audit; `null` for what could not be asked. */
  [count: string]: unknown;
};

/** What breaks it is no part of a flow. */
export const archiveRule: AuditRule = {
  name: "archive_fault",
  promise: "the archive is as it was written",
  broken: "the archive is not as it was written",
  onlyWith: "archiveFaults",
};

/**
 * Checks every promise over what the log held when the audit began, in one pass; what is archived of it was checked
 * then, so that its audit goes on. Memory grows with the orders read, about 0.2 kB each, not with the events. Rejects
 * with `not_found` when there is no log, with `unavailable` when the archive cannot be read, and with the signal's
 * reason.
 */
export async function auditLog(log: FlowLog, options: AuditOptions): Promise<LogAudit> {
  const { all = false, signal } = options;
  const faults = all ? (await log.archive.verify(signal)).faults : undefined;
  try {
    return await auditFrom(log, options, faults);
  } catch (thrown) {
    // What has a fault may be unreadable. Then the fault is told beside the audit that was made of it before.
    const isUnreadable = thrown instanceof OrderctlError && thrown.source === "store";
    if (!faults?.length || !isUnreadable) throw thrown;
    Object.assign(options.seen, nothingSeen());
    return auditFrom(log, { ...options, all: false }, faults);
  }
}

async function auditFrom(log: FlowLog, options: AuditOptions, faults?: readonly string[]): Promise<LogAudit> {
  const { connection, archive } = log;
  const { graceMs, clock, signal, seen, sinceUs } = options;
  // Events stored from now on are not read, so the age of an order counts up to this moment.
  const nowMs = clock.nowUs() / 1000;
  const startedAt = performance.now();
  const start = await begin(log, options);
  const { taken, auditor, archivedTo } = start;
  const read = await readForAudit(log, auditor, { seen, archivedTo, sinceUs, signal });
  signal.throwIfAborted();
  auditor.addRepeats(await findRepeats(log, auditor, taken?.to ?? archivedTo));
  const others = await auditor.addOthers({
    connection,
    findArchived: async (keys) => (taken ? archive.hasKeys(keys, taken.to) : new Set()),
    options: options.options ?? {},
    startedAt,
    signal,
  });
  const givenUp = await readGivenUp(log, auditor, signal);
  const report = withFaults(auditor.finish({ nowMs, graceMs, givenUp }), faults);
  const covered = coverageOf(start, read);
  return {
    ...report,
    verdict: verdictOf(report, covered, start.extent.messages),
    ...covered,
    archivedEvents: sinceUs === undefined ? report.events - read.events : 0,
    archiveFaults: faults && (archivedTo > 0 || faults.length > 0) ? faults.length : null,
    readFrom: seen.readFrom,
    messagesRead: seen.messages,
    since: sinceUs === undefined ? null : isoTime(sinceUs),
    graceMs,
    clock: clock.difference,
    ...others,
    seconds: (performance.now() - startedAt) / 1000,
  };
}

type Start = {
  auditor: ReturnType<Flow["audit"]["open"]>;
  /** The audit to go on from. */
  taken: ArchivedAudit | undefined;
  archivedTo: number;
  /** What the stream holds, and how many messages of it are not archived. */
  extent: Awaited<ReturnType<typeof readExtent>>;
  toRead: number;
};

async function begin(log: FlowLog, options: AuditOptions): Promise<Start> {
  const { connection, flow, archive } = log;
  const taken = await findStart(archive, options);
  const auditor = openAuditor(flow, taken);
  const extent = await readExtent(connection, flow.stream);
  // Asked after the stream: what had left it by then is known to be archived.
  const archivedTo = await archive.movedTo();
  const toRead = await countBeyond(log, extent, archivedTo);
  Object.assign(options.seen, { readFrom: (taken?.to ?? 0) + 1, lastSequence: extent.lastSequence });
  return { auditor, taken, archivedTo, extent, toRead };
}

type Coverage = Pick<LogAudit, "gone" | "firstSequence" | "archivedFrom" | "archivedTo" | "archivedUntil">;

function coverageOf({ taken, archivedTo, extent, toRead }: Start, read: LogReading): Coverage {
  const isArchived = archivedTo > 0;
  const untilUs = read.archivedUntilUs ?? taken?.storedToUs;
  return {
    gone: Math.max(0, toRead - read.beyondArchive),
    firstSequence: extent.firstSequence,
    archivedFrom: isArchived ? (taken?.from ?? read.firstSequence) : 0,
    archivedTo,
    archivedUntil: isArchived && untilUs !== undefined ? isoTime(untilUs) : null,
  };
}

/** The audit to go on from; what was pruned can be judged in no other way. */
async function findStart(
  archive: ArchivedLog,
  { all, sinceUs }: AuditOptions,
): Promise<ArchivedAudit | undefined> {
  if (all) return archive.auditState("pruned");
  if (sinceUs === undefined) return archive.auditState();
  return (await archive.auditState({ storedBeforeUs: sinceUs })) ?? archive.auditState("pruned");
}

function openAuditor(flow: Flow, taken: ArchivedAudit | undefined): ReturnType<Flow["audit"]["open"]> {
  try {
    return flow.audit.open(taken?.state);
  } catch (thrown) {
    const { code, message, source } = OrderctlError.from(thrown);
    const hint = "--all reads the archived part of the log itself";
    throw new OrderctlError(code, `${taken?.file}: ${message}`, { hint, cause: thrown, source });
  }
}

/** The faults come first: what else was found may follow from them. */
function withFaults(report: AuditReport, faults: readonly string[] = []): AuditReport {
  if (faults.length === 0) return report;
  const rule = archiveRule.name;
  const found = faults.map(
    (detail): Offender => ({ rule, orderId: null, sku: null, sequence: null, detail }),
  );
  return {
    ...report,
    violations: { ...report.violations, [rule]: faults.length },
    offences: report.offences + faults.length,
    offenders: [...found, ...report.offenders],
  };
}

function verdictOf(report: AuditReport, covered: Coverage, messages: number): LogAudit["verdict"] {
  if ((report.violations[archiveRule.name] ?? 0) > 0) return "FAIL";
  if (covered.gone > 0) return "INCOMPLETE";
  // What is missing may have been the cause of what was read.
  return report.verdict === "FAIL" && isCut(covered, messages) ? "INCOMPLETE" : report.verdict;
}

/** Whether the log lacks messages that were stored before others that it has. */
function isCut({ firstSequence, archivedFrom, archivedTo }: Coverage, messages: number): boolean {
  const isEmpty = messages === 0 && archivedTo === 0;
  return archivedFrom > 1 || (!isEmpty && firstSequence > archivedTo + 1);
}
