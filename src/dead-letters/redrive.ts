import { setTimeout as wait } from "node:timers/promises";
import { OrderctlError } from "../core/errors.ts";
import { consumedBy, readClaimed, type Unfounded } from "../flow/dead-letter-origin.ts";
import type { RedriveMark } from "../flow/dead-letters-rule.ts";
import { type FlowLog, findFault } from "../flow/flow.ts";
import { deadLettersStream, flowTopology, redrivesStream } from "../flow/flow-topology.ts";
import { redriveHeader } from "../jetstream/dead-letters/dead-letter.ts";
import { Publisher } from "../jetstream/publish/publisher.ts";
import { applyTopology } from "../jetstream/streams/apply-topology.ts";
import { readBySequence } from "../jetstream/streams/read-message.ts";
import type { StreamMessage } from "../jetstream/streams/stream-message.ts";
import { type DeadLetter, type DeadMessage, unreadable } from "./dead-letters.ts";

export type RedriveOptions = {
  /** Who requests the redrive: `user@host`. */
  by: string;
  /** Also redrive dead letters that were redriven before. */
  again: boolean;
  /** Whether the user named the dead letters one by one. Otherwise those that can only fail again are left alone. */
  named: boolean;
  dryRun: boolean;
  perSecond?: number | undefined;
  signal: AbortSignal;
};

export type RedriveReport = {
  dryRun: boolean;
  redriven: DeadLetter[];
  left: { letter: DeadLetter; why: string }[];
  /**
   * The numbers of dead letters in `left` that claim something false: they copy no event of the log, or name another
   * service's consumer.
   */
  forged: number[];
  /** The numbers of dead letters in `redriven` that do not decode as events: they will fail again. */
  hopeless: number[];
};

/**
 * Gives dead letters to their consumers once more, oldest first: stores one message per dead letter in the stream of
 * redrives. The subject names dead letter and attempt, so the broker refuses the same redrive twice and a repeated run
 * after a crash is safe. `failure` is what ended the run early: an error, or the caller's signal.
 */
export async function redriveDeadLetters(
  log: FlowLog,
  found: readonly DeadMessage[],
  options: RedriveOptions,
): Promise<{ report: RedriveReport; failure: OrderctlError | undefined }> {
  const { dryRun, signal } = options;
  const report: RedriveReport = { dryRun, redriven: [], left: [], forged: [], hopeless: [] };
  const { connection, flow } = log;
  const publisher = new Publisher(connection);
  const redriving = { ...log, publisher, report };
  try {
    if (!dryRun) await applyTopology(connection, flowTopology(flow));
    for (const dead of found.toReversed()) {
      signal.throwIfAborted();
      tally(report, dead, objectionTo(dead, options) ?? (await redrive(redriving, dead, options)));
    }
    return { report, failure: undefined };
  } catch (thrown) {
    const interrupted = new OrderctlError("interrupted", "interrupted before the last dead letter");
    return { report, failure: signal.aborted ? interrupted : OrderctlError.from(thrown) };
  } finally {
    publisher.close();
  }
}

/** `why` is the reason why the dead letter was left alone; undefined when it was redriven. */
function tally(report: RedriveReport, { letter }: DeadMessage, why: string | undefined): void {
  if (why === undefined) report.redriven.push(letter);
  else report.left.push({ letter, why });
}

function objectionTo(dead: DeadMessage, { again, named }: RedriveOptions): string | undefined {
  const { state, next, redrives, hasPayload, reason } = dead.letter;
  if (reason === unreadable) return "it cannot be read as a dead letter, so nobody knows whom to give it to";
  if (state === "failed_again") return `it was redriven and failed again: redrive ${next} instead`;
  const last = redrives.at(-1);
  if (last && !again) return `${last.by} redrove it at ${last.at}; --again does it once more`;
  if (reason === "repeat" && !named)
    return "it repeats an archived order and would only be refused again; name its number to try all the same";
  return hasPayload ? undefined : "its message was too large to be copied";
}

/**
 * Reads the event that a dead letter copies, or says why there is none. Permissions protect only the dead letter's
 * subject: the consumer must belong to the service named there, and everything else must match the log.
 */
async function findEvent(
  log: FlowLog,
  { mark: { consumer, origin }, subject }: DeadMessage,
  payload: Uint8Array,
): Promise<StreamMessage | Unfounded> {
  const service = subject.split(".")[1] ?? "";
  const on = consumedBy(log.flow, service, consumer);
  if (on !== undefined) return readClaimed(log, { origin, payload, on });
  const why = `${JSON.stringify(consumer)}, which it names, is no consumer of ${service}, which its subject names`;
  return { why, isForged: true };
}

type Redriving = FlowLog & { publisher: Publisher; report: RedriveReport };

/** Returns why the dead letter was left alone; undefined when it was redriven. */
async function redrive(
  redriving: Redriving,
  dead: DeadMessage,
  { by, named, dryRun, perSecond, signal }: RedriveOptions,
): Promise<string | undefined> {
  const { connection, flow, publisher, report } = redriving;
  const { letter, mark } = dead;
  const copy = await readBySequence(connection, deadLettersStream, letter.sequence);
  if (!copy) return "somebody purged it just now";
  const event = await findEvent(redriving, dead, copy.payload);
  if ("why" in event) {
    if (event.isForged) report.forged.push(letter.sequence);
    return event.why;
  }
  const isHopeless = findFault(flow, event) !== undefined;
  if (isHopeless && !named)
    return "it cannot be read as an event and would only fail again; name its number to try all the same";
  if (isHopeless) report.hopeless.push(letter.sequence);
  if (dryRun) return undefined;
  const redriven: RedriveMark = {
    deadLetter: letter.sequence,
    deadAtUs: mark.atUs,
    by,
    atUs: Date.now() * 1000,
    origin: mark.origin,
  };
  const attempt = letter.redrives.length + 1;
  const { duplicate } = await publisher.publish({
    subject: `${redrivesStream}.${letter.consumer}.${letter.sequence}-${mark.atUs}.${attempt}`,
    payload: event.payload,
    headers: { ...event.headers(), [redriveHeader]: JSON.stringify(redriven) },
  });
  if (perSecond !== undefined) await wait(1000 / perSecond, undefined, { signal });
  return duplicate ? "somebody else redrove it just now" : undefined;
}
