import { OrderctlError } from "../core/errors.ts";
import type { Origin } from "../jetstream/dead-letters/dead-letter.ts";
import { covers } from "../jetstream/streams/replay-streams.ts";
import type { StreamMessage } from "../jetstream/streams/stream-message.ts";
import { isPruned } from "./archived-log.ts";
import type { FlowLog, FlowShape } from "./flow.ts";
import { subjectText } from "./layout.ts";
import { readMessage } from "./log-message.ts";

/** A copy of an event, and the place in the log that the copy claims to come from. */
export type Claim = { origin: Origin; payload: Uint8Array; on: string };

/** The kind that a consumer of a service takes; undefined when the service has no such consumer. */
export const consumedBy = (flow: FlowShape, service: string, consumer: string): string | undefined =>
  flow.subscriptionsOf(service).find((subscription) => subscription.consumer === consumer)?.on;

/**
 * Why the log does not hold the claimed event. `isForged` is false when the log merely holds nothing at that sequence
 * any more.
 */
export type Unfounded = { why: string; isForged: boolean };

/**
 * Reads the event that a copy claims to be, or says why the log does not hold it. Anyone who may store a copy can write
 * anything into it, so only what the log holds there is processed. Rejects when log or archive cannot be read.
 */
export async function readClaimed(log: FlowLog, claim: Claim): Promise<StreamMessage | Unfounded> {
  try {
    return await findClaimed(log, claim);
  } catch (thrown) {
    if (isPruned(thrown)) return { why: OrderctlError.from(thrown).message, isForged: false };
    throw thrown;
  }
}

async function findClaimed(log: FlowLog, { origin, payload, on }: Claim): Promise<StreamMessage | Unfounded> {
  const { flow } = log;
  const { stream, subject, sequence } = origin;
  const forged = (why: string): Unfounded => ({ why, isForged: true });
  if (stream !== flow.stream)
    return forged(`it says that it comes from ${stream}, and events are in ${flow.stream}`);
  if (!covers(flow.filterOf(on), subject)) return forged(`its consumer works on ${on}, not on ${subject}`);
  const held = await readMessage(log, sequence);
  if (!held)
    return { why: `${flow.stream} holds no event ${sequence}, of which it is a copy`, isForged: false };
  if (subjectText(held.subject) !== subjectText(subject))
    return forged(`event ${sequence} of ${flow.stream} is ${held.subject}, not ${subject}`);
  if (Buffer.compare(held.payload, payload) !== 0)
    return forged(`it is not what ${flow.stream} holds as event ${sequence}, which it says it is a copy of`);
  return held;
}
