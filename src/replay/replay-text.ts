import { formatCount, formatDuration, formatRate } from "../terminal/format.ts";
import type { ReplayProgress } from "./replay.ts";
import type { ReplayOutcome } from "./service.ts";

/** From this wait on, the text shows the wait instead of an estimate of the time left, which would be wrong. */
const longWaitMs = 1000;

/** `4,000 of 10,000 messages, 3,200/s, 1.9 s left`, or the wait for the next message when that is long. */
export function replayProgressText({ read, total, elapsedS, waitMs }: ReplayProgress): string {
  const perSecond = elapsedS > 0 ? read / elapsedS : 0;
  const isKnown = perSecond > 0 && total > read && waitMs < longWaitMs;
  const left = isKnown ? `, ${formatDuration(((total - read) / perSecond) * 1000)} left` : "";
  const next = waitMs < longWaitMs ? "" : `; the next one in ${formatDuration(waitMs)}`;
  const done = `${formatCount(read)} of ${formatCount(Math.max(total, read))} messages`;
  return `${done}, ${formatRate(perSecond)}${left}${next}`;
}

const shownCharacters = 60;

/** One event that was handled again, and its outcome. */
export function replayOutcomeLine(outcome: ReplayOutcome): string {
  const { verdict, orderId, subject, sequence, would, changes, reason } = outcome;
  const event = `${orderId ?? subject} (event ${sequence})`;
  const because = reason === null ? "" : `: ${reason}`;
  const said = {
    same: `${would}, as stored`,
    different: `would be ${[would, changes.map(changeText).join(", ")].filter(Boolean).join(": ")}${because}`,
    missing: `would be ${would}, nothing is stored`,
    nothing: "nothing to store",
    failed: `fails${because}`,
  };
  return `${event}  ${said[verdict]}`;
}

const changeText = ({ field, would, stored }: ReplayOutcome["changes"][number]): string =>
  `${field} ${cut(would)} instead of ${cut(stored)}`;

const cut = (json: string): string =>
  json.length > shownCharacters ? `${json.slice(0, shownCharacters)}...` : json;
