import type { Connection } from "../jetstream/client/connection.ts";
import type { FlowEvent } from "./flow.ts";

/** A promise that an audit checks, under the name that its violations are counted by. */
export type AuditRule = {
  name: string;
  /** As it reads where it was kept. */
  promise: string;
  /** As it reads before what broke it. */
  broken: string;
  /** A count of the report: where it is null the rule is not told. */
  onlyWith?: string;
  /** A count of the report: where it is 0 or null the rule is told as not checked, because `else`. */
  checkedOf?: { count: string; else: string };
  /** What breaks it is late: is anybody working on it? */
  isLateness?: true;
  /** The message that breaks it is one too many, and takes the place of no other. */
  isSurplus?: true;
};

/** One violation. `sequence` is that of the offending message; `null` where something is absent instead. */
export type Offender = {
  rule: string;
  orderId: string | null;
  sku: string | null;
  sequence: number | null;
  detail: string;
};

export type AuditReport = {
  verdict: "PASS" | "FAIL";
  /** Orders created; of them `ended` were notified and `underWay` are younger than the grace period. */
  orders: number;
  ended: number;
  underWay: number;
  /** Events read, without the unreadable. */
  events: number;
  outcomes: Record<string, number>;
  violations: Record<string, number>;
  /** All violations together; `offenders` lists the first of them. */
  offences: number;
  offenders: Offender[];
};

/** When the audit is made, how long a key may take, and by key what its services have given up on. */
export type AuditScope = { nowMs: number; graceMs: number; givenUp?: ReadonlyMap<string, string> };

/** Is fed the log in its order, and judges what is absent at the end. */
export type Auditor = {
  /** Per message: < 1 µs. */
  add(event: FlowEvent, sequence: number, storedAtMs: number): void;
  /** A message of the log that could not be decoded. */
  addUnreadable(subject: string, reason: string, sequence: number): void;
  knows(key: string): boolean;
  /** Call once, after the last event. */
  finish(scope: AuditScope): AuditReport;
};

/** What an audit asks beside the log. `startedAt` as `performance.now()` tells it. */
export type AskedBeside = {
  connection: Connection;
  options: Readonly<Record<string, unknown>>;
  startedAt: number;
  signal: AbortSignal;
};

export type FlowAudit = {
  rules: readonly AuditRule[];
  /** `addOthers` is called after the log was read, and answers the counts of what it found, `null` where nobody was asked. */
  open(): Auditor & { addOthers(beside: AskedBeside): Promise<Record<string, number | null>> };
};
