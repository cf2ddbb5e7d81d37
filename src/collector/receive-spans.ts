import type { IncomingMessage } from "node:http";
import { OrderctlError } from "../core/errors.ts";
import { within } from "../core/waiting.ts";
import { encodeResponse } from "../telemetry/otlp/export-answer.ts";
import { type Encoding, readExport } from "../telemetry/otlp/read-export.ts";
import type { SpanFaults } from "../telemetry/tracing/span-reading.ts";
import type { ByteBudget } from "./byte-budget.ts";
import { encodingOf, type HttpAnswer, refusal, refusalOf, success } from "./http-answer.ts";
import { readBody } from "./read-body.ts";
import type { SpanStore } from "./span-store.ts";

export type ReceivedCounts = {
  /**
   * Spans that will never be stored: they cannot be read, have invalid ids or impossible times, or are larger than a
   * message may be.
   */
  rejected: number;
  /** Requests that were answered with an error. */
  refused: number;
};

export type Reception = {
  store: SpanStore;
  budget: ByteBudget;
  counts: ReceivedCounts;
  /** Called when spans could not be stored, with the reason. */
  onRefused(error: OrderctlError): void;
  /** Called when some spans of a request were rejected for good while the others were stored. */
  onRejected(faults: SpanFaults): void;
  maxBodyBytes: number;
  /** How long a sender waits for the broker before it is told to try again. */
  patienceMs: number;
};

const codings = ["gzip", "identity"];

/** Answers one export request, with 200 only once the broker has stored every span that is not rejected. */
export async function receiveSpans(reception: Reception, request: IncomingMessage): Promise<HttpAnswer> {
  const answer = await answerTo(reception, request);
  if (answer.status !== 200) reception.counts.refused += 1;
  return answer;
}

async function answerTo(reception: Reception, request: IncomingMessage): Promise<HttpAnswer> {
  const { "content-type": type, "content-encoding": coding = "identity" } = request.headers;
  const encoding = encodingOf(type);
  if (encoding === undefined)
    return refusal("json", 415, "spans are sent as application/json or application/x-protobuf");
  if (!codings.includes(coding.toLowerCase()))
    return refusal(encoding, 415, "Content-Encoding is gzip or identity");
  if (!reception.store.isReady) return refusal(encoding, 503, "the broker is away");
  try {
    return await takeIn(reception, request, encoding);
  } catch (thrown) {
    const answer = refusalOf(encoding, thrown);
    if (answer.status >= 500) reception.onRefused(OrderctlError.from(thrown));
    return answer;
  }
}

async function takeIn(
  { store, budget, counts, maxBodyBytes, patienceMs, onRejected }: Reception,
  request: IncomingMessage,
  encoding: Encoding,
): Promise<HttpAnswer> {
  const lease = { bytes: 0 };
  const take = (bytes: number) => {
    budget.take(bytes);
    lease.bytes += bytes;
  };
  let stored: Promise<void> | undefined;
  try {
    const gzip = request.headers["content-encoding"]?.toLowerCase() === "gzip";
    const body = await readBody(request, { gzip, maxBytes: maxBodyBytes, take });
    const { batches, faults } = readExport(body, encoding, store.maxBatchBytes);
    stored = store.store(batches);
    await within(stored, patienceMs, "the broker did not store them in time; it may yet");
    counts.rejected += faults.spans;
    if (faults.text !== "") onRejected(faults);
    return success(encoding, encodeResponse(encoding, faults));
  } finally {
    // After a timeout the spans still wait for the broker, so their bytes are given back only when `stored` settles.
    const release = () => budget.give(lease.bytes);
    (stored ?? Promise.resolve()).then(release, release);
  }
}
