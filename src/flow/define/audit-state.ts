import { gunzipSync, gzipSync } from "node:zlib";
import { OrderctlError } from "../../core/errors.ts";
import type { Offender } from "../audit-contract.ts";

/** What an auditor knows of one key: its facts, since when it is open, and since when promises wait for an event. */
export type KnownKey = {
  key: string;
  facts: string[];
  beganAtMs: number | null;
  due: [promise: string, sinceMs: number][];
};

/** What an auditor has counted and found so far. */
export type AuditCounts = {
  events: number;
  keys: number;
  repeats: number;
  outcomes: Record<string, number>;
  violations: Record<string, number>;
  offenders: Offender[];
  /** Second first events, in log order: violations unless the archive had an earlier one. */
  again: [key: string, sequence: number][];
};

export const noCounts = (): AuditCounts => ({
  ...{ events: 0, keys: 0, repeats: 0, outcomes: {}, violations: {}, offenders: [], again: [] },
});

/** What an auditor hands over to another one. */
export type AuditState = { counts: AuditCounts; known: KnownKey[] };

type Written = AuditState & { version: 1 };

/** JSON, gzipped. */
export const encodeState = (state: AuditState): Uint8Array =>
  gzipSync(JSON.stringify({ version: 1, ...state } satisfies Written));

/** Throws `unavailable` when `bytes` are no state of this version. */
export function decodeState(bytes: Uint8Array): AuditState {
  let value: Partial<Written>;
  try {
    value = JSON.parse(gunzipSync(bytes).toString());
  } catch (cause) {
    throw unreadable("it is damaged", cause);
  }
  if (value.version !== 1)
    throw unreadable(`it has version ${value.version}, and this orderctl reads version 1`);
  const { counts, known } = value;
  if (!Array.isArray(known) || !Array.isArray(counts?.again)) throw unreadable("it is damaged");
  return { counts, known };
}

const unreadable = (why: string, cause?: unknown): OrderctlError =>
  new OrderctlError("unavailable", `the state of an audit cannot be read: ${why}`, {
    cause,
    source: "store",
  });
