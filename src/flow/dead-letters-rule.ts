import { createHash } from "node:crypto";
import { OrderctlError } from "../core/errors.ts";
import { isCount, parseObject } from "../core/parse-object.ts";
import type { Delivery } from "../jetstream/consume/delivery.ts";
import type { DeadLetterRule, Processor } from "../jetstream/consume/worker-options.ts";
import { type Origin, redriveHeader } from "../jetstream/dead-letters/dead-letter.ts";
import { readClaimed } from "./dead-letter-origin.ts";
import type { FlowLog, FlowShape, Subscription } from "./flow.ts";
import { deadLettersStream, suspectsBucket } from "./flow-topology.ts";
import { readArchivedKey } from "./key-log.ts";
import type { Origin as Worker } from "./process-event.ts";

/**
 * The redrive header: which dead letter was given to its consumer once more, who requested it when (Unix µs), and where
 * the original event is stored.
 */
export type RedriveMark = {
  deadLetter: number;
  /** When the worker gave up on the delivery: in a recreated stream the same sequence means another dead letter. */
  deadAtUs: number;
  by: string;
  atUs: number;
  origin: Origin;
};

/** When a service's workers give up on a delivery, and where they store its dead letter. */
export const deadLetterRule = (
  flow: FlowShape,
  {
    maxAttempts,
    patienceMs,
    ...worker
  }: Worker & Pick<DeadLetterRule, "consumer" | "maxAttempts" | "patienceMs">,
): DeadLetterRule => ({
  ...worker,
  stream: deadLettersStream,
  suspects: suspectsBucket,
  maxAttempts,
  patienceMs,
  subjectFor: (subject, delivery) =>
    `${deadLettersStream}.${worker.service}.${tokenOf(flow, { subject, delivery })}`,
  originOf(delivery) {
    const mark = decodeRedrive(delivery.header(redriveHeader));
    return mark && { origin: mark.origin, redriveOf: mark.deadLetter };
  },
});

type Copied = { subject: string; delivery: Pick<Delivery, "payload" | "header"> };

/** The key; a hash of the subject where the event names no key. */
const tokenOf = (flow: FlowShape, { subject, delivery }: Copied): string => {
  const place = flow.placeOf({ subject, payload: delivery.payload, header: (name) => delivery.header(name) });
  return place?.key ?? `_${createHash("sha256").update(subject).digest("hex").slice(0, 16)}`;
};

/** Whether the last token of a dead letter's subject stands for an event that names no key. */
export const isHash = (token: string): boolean => /^_[0-9a-f]{16}$/.test(token);

export function decodeRedrive(header: string | undefined): RedriveMark | undefined {
  const mark = parseObject<RedriveMark>(header);
  const isOurs =
    typeof mark?.origin?.subject === "string" &&
    typeof mark.by === "string" &&
    [mark.deadLetter, mark.deadAtUs, mark.atUs, mark.origin.sequence, mark.origin.storedAtUs].every(isCount);
  return isOurs ? mark : undefined;
}

/**
 * Processes a redriven dead letter as a delivery of the original event: it has the original's sequence, so its outcome
 * names the same cause. Where that outcome is archived, the stream would take it a second time, so the event is not
 * worked on: it is stored already. Throws `bad_message` when the log does not hold that event; the message then becomes
 * a dead letter again.
 */
export const processRedriven =
  (log: FlowLog, { on, emits }: Subscription, process: Processor): Processor =>
  async (delivery, signal) => {
    const copied = originalOf(delivery);
    const claim = { origin: { stream: log.flow.stream, ...copied }, payload: delivery.payload, on };
    const held = await readClaimed(log, claim);
    if ("why" in held)
      throw new OrderctlError("bad_message", `not worked on once more: ${held.why}`, { source: "message" });
    // Where headers say what an event is, those of the log count: anyone who may redrive could have written others.
    const original = log.flow.isManaged ? copied : { ...copied, header: (name: string) => held.header(name) };
    const archived = await findArchivedOutcome(log, original, emits);
    if (archived !== undefined) return { sequence: archived, duplicate: true };
    const answer = process(original, signal);
    // `process` sets the watch before its first await, and the worker reads it after the work has ended.
    delivery.watch = original.watch;
    return answer;
  };

/** The sequence of the archived event, of one of the kinds, that an event led to; undefined when there is none. */
async function findArchivedOutcome(
  log: FlowLog,
  { subject, sequence }: Delivery,
  emits: readonly string[],
): Promise<number | undefined> {
  const { flow, archive } = log;
  const place = flow.parseSubject(subject);
  if (!place || sequence > (await archive.movedTo())) return undefined;
  const { events } = await readArchivedKey(log, place.key);
  // An outcome that is older than this event is that of another one.
  return events.find((event) => emits.includes(event.kind) && event.sequence > sequence)?.sequence;
}

function originalOf(delivery: Delivery): Delivery {
  const { origin } = decodeRedrive(delivery.header(redriveHeader)) ?? { origin: delivery };
  const { subject, sequence, storedAtUs } = origin;
  const { payload, attempt } = delivery;
  return {
    watch: undefined,
    subject,
    payload,
    sequence,
    attempt,
    storedAtUs,
    header: (name) => delivery.header(name),
  };
}
