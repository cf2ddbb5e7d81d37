import { OrderctlError } from "../core/errors.ts";
import type { Flow, FlowEvent, FlowLog } from "../flow/flow.ts";
import { deadLettersStream } from "../flow/flow-topology.ts";
import type { Addressed } from "../flow/layout.ts";
import { deadLetterHeader } from "../jetstream/dead-letters/dead-letter.ts";
import { readBySequence } from "../jetstream/streams/read-message.ts";
import { parseTraceparent } from "../telemetry/tracing/span.ts";
import type { DeadLetter, DeadMessage } from "./dead-letters.ts";

/** Everything known about one dead letter. */
export type DeadLetterDetail = DeadLetter & {
  /** `null` when the message does not decode as an event; `fault` then says why. */
  event: FlowEvent | null;
  fault: string | null;
  payloadBase64: string;
  /** The headers of the original message; those that the broker would act on are renamed to `Original-…`. */
  headers: Record<string, string>;
  traceId: string | null;
};

/** Rejects with `not_found` when the dead letter was purged. */
export async function readDeadLetterDetail(
  { connection, flow }: FlowLog,
  { letter, mark }: DeadMessage,
): Promise<DeadLetterDetail> {
  const message = await readBySequence(connection, deadLettersStream, letter.sequence);
  if (!message) throw new OrderctlError("not_found", `dead letter ${letter.sequence} was purged just now`);
  const { payload } = message;
  const headers = message.headers();
  delete headers[deadLetterHeader];
  return {
    ...letter,
    ...decoded(flow, { ...message, subject: mark.origin.subject }),
    payloadBase64: Buffer.from(payload).toString("base64"),
    headers,
    traceId: parseTraceparent(headers.traceparent)?.traceId ?? null,
  };
}

function decoded(flow: Flow, message: Addressed): Pick<DeadLetterDetail, "event" | "fault"> {
  try {
    return { event: flow.decode(message.subject, message.payload, message), fault: null };
  } catch (thrown) {
    return { event: null, fault: OrderctlError.from(thrown).message };
  }
}
