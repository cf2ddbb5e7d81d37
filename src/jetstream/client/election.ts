import type { ErrorCode } from "../../core/errors.ts";

/**
 * How long to wait for an election: a cluster elects a stream's new leader within 10 s, though perhaps not at the first
 * try, and nobody can store or read until then.
 */
export const electionMs = 30_000;

/** The errors of a request to a cluster without a leader, or to a broker that is away for a moment. */
export const leaderless: ReadonlySet<ErrorCode> = new Set(["timeout", "unavailable", "no_responders"]);
