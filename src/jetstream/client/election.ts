import type { ErrorCode } from "../../core/errors.ts";

/** A cluster elects a stream's new leader within 10 s, and perhaps not at the first try. Until then nobody stores or reads. */
export const electionMs = 30_000;

/** What comes of asking a cluster that has no leader, or a broker that is away for a moment. */
export const leaderless: ReadonlySet<ErrorCode> = new Set(["timeout", "unavailable", "no_responders"]);
