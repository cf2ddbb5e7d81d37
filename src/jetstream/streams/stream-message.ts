import type { Msg } from "nats";
import { copyHeaders, headerBlock, headerIn, subjectFrom } from "../client/raw-message.ts";
import type { DeliveryPlace } from "../consume/delivery.ts";
import type { StoredMessage } from "./read-message.ts";

/** A stored message with all of its headers. */
export type StreamMessage = StoredMessage & {
  /**
   * The headers for a copy of the message: those that a broker would act on (`Nats-…`) are renamed to
   * `Original-Nats-…`, and repeated ones are joined.
   */
  headers(): Record<string, string>;
};

/** A message as a consumer delivered it. Its header block is decoded when a header is first read. Hot path: ~1 µs. */
export function streamMessage(message: Msg, { sequence, storedAtUs }: DeliveryPlace): StreamMessage {
  let block: string | undefined;
  const headersOf = () => {
    block ??= headerBlock(message);
    return block;
  };
  return {
    subject: subjectFrom(message, 0),
    sequence,
    storedAtUs,
    payload: message.data,
    header: (name) => headerIn(headersOf(), name),
    headers: () => copyHeaders(headersOf(), renamed),
  };
}

const renamed = (name: string): string => name.replace(/^(?=nats-)/i, "Original-");
