import { OrderctlError } from "../core/errors.ts";
import { isoTime } from "../core/iso-time.ts";
import type { Flow } from "../flow/flow.ts";
import type { StreamMessage } from "../jetstream/streams/stream-message.ts";
import { logSubject } from "./subject.ts";

type Document = Record<string, unknown>;

/**
 * A message as one JSON object. A created order is what `publish order --file` reads, and no more; another event says
 * what and where it is as well. What is no event has its payload in base64, and `reason` says why.
 */
export function replayDocument(flow: Flow, message: StreamMessage): { document: Document; isEvent: boolean } {
  const { subject, sequence, storedAtUs, payload } = message;
  const place = { subject, sequence, stored_at: isoTime(storedAtUs) };
  try {
    const event = flow.decode(logSubject(flow, subject), payload);
    const fields = flow.document(event);
    const document = event.kind === flow.firstKind ? fields : { ...place, kind: event.kind, ...fields };
    return { document, isEvent: true };
  } catch (thrown) {
    const reason = OrderctlError.from(thrown).message;
    const base64 = Buffer.from(payload).toString("base64");
    return { document: { ...place, kind: null, reason, payload_base64: base64 }, isEvent: false };
  }
}
