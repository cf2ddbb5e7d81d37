import { OrderctlError } from "../core/errors.ts";
import { deadLettersStream } from "../flow/topology.ts";
import type { Connection } from "../jetstream/client/connection.ts";
import { deadLetterHeader } from "../jetstream/dead-letters/dead-letter.ts";
import { readBySequence } from "../jetstream/streams/read-message.ts";
import type { OrderEvent } from "../orders/events.ts";
import { decodeEvent } from "../orders/wire/codec.ts";
import { parseTraceparent } from "../telemetry/tracing/span-context.ts";
import type { DeadLetter, DeadMessage } from "./dead-letters.ts";

/** All that is known of one dead letter. */
export type DeadLetterDetail = DeadLetter & {
  /** `null` where the message cannot be read as one, for the reason in `fault`. */
  event: OrderEvent | null;
  fault: string | null;
  payloadBase64: string;
  /** Those of the original message; what the broker would act on is there as `Original-…`. */
  headers: Record<string, string>;
  traceId: string | null;
};

/** Rejects with `not_found` where somebody purged it. */
export async function readDeadLetterDetail(
  connection: Connection,
  { letter, mark }: DeadMessage,
): Promise<DeadLetterDetail> {
  const message = await readBySequence(connection, deadLettersStream, letter.sequence);
  if (!message) throw new OrderctlError("not_found", `dead letter ${letter.sequence} was purged just now`);
  const { payload } = message;
  const headers = message.headers();
  delete headers[deadLetterHeader];
  return {
    ...letter,
    ...decoded(mark.origin.subject, payload),
    payloadBase64: Buffer.from(payload).toString("base64"),
    headers,
    traceId: parseTraceparent(headers.traceparent)?.traceId ?? null,
  };
}

function decoded(subject: string, payload: Uint8Array): Pick<DeadLetterDetail, "event" | "fault"> {
  try {
    return { event: decodeEvent(subject, payload), fault: null };
  } catch (thrown) {
    return { event: null, fault: OrderctlError.from(thrown).message };
  }
}
