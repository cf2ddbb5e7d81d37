import type { MsgHdrs, MsgRequest, StoredMsg } from "nats";
import type { Connection } from "../client/connection.ts";
import { apiErrorOf, apiErrors, fromNats } from "../client/nats-error.ts";

/** A message as the stream holds it; `storedAtUs` is the broker's clock, Unix µs. */
export type StoredMessage = {
  subject: string;
  sequence: number;
  storedAtUs: number;
  payload: Uint8Array;
  header(name: string): string | undefined;
};

/**
 * A stored message with all of its headers except those of the broker (`Nats-…`); the values of repeated headers are
 * joined.
 */
export type WholeMessage = StoredMessage & { headers(): Record<string, string> };

/**
 * The last message stored under `subject`, read from the stream's leader, or undefined if there is none.
 * Rejects with `not_found` when there is no such stream.
 */
export const readLast = (
  connection: Connection,
  stream: string,
  subject: string,
): Promise<WholeMessage | undefined> => readOne(connection, stream, { last_by_subj: subject });

/**
 * The message with a sequence, or undefined if it is gone or was never stored. Sequences begin at 1, and the broker
 * rejects a request for a lower one.
 */
export const readBySequence = async (
  connection: Connection,
  stream: string,
  sequence: number,
): Promise<WholeMessage | undefined> =>
  sequence < 1 ? undefined : readOne(connection, stream, { seq: sequence });

/**
 * The first message from a sequence on whose subject matches a filter, read from the stream's leader; undefined if
 * there is none.
 */
export const readNext = (
  connection: Connection,
  stream: string,
  query: { seq: number; next_by_subj: string },
): Promise<WholeMessage | undefined> => readOne(connection, stream, query);

/**
 * The client's types have the last form for direct reads only. Those are not used: on nats-server 2.9 they cannot tell
 * a missing stream from a slow one.
 */
type Query = { last_by_subj: string } | { seq: number } | { seq: number; next_by_subj: string };

async function readOne({ jsm }: Connection, stream: string, query: Query): Promise<WholeMessage | undefined> {
  try {
    return storedMessage(await jsm.streams.getMessage(stream, query satisfies MsgRequest));
  } catch (thrown) {
    if (apiErrorOf(thrown) === apiErrors.messageNotFound) return undefined;
    throw fromNats(thrown, `read a message of stream ${stream}`);
  }
}

const storedMessage = ({ subject, seq, timestamp, data, header }: StoredMsg): WholeMessage => ({
  subject,
  sequence: seq,
  storedAtUs: parseTimestampUs(timestamp),
  payload: data,
  header: headerReader(header),
  headers: () => allHeaders(header),
});

function allHeaders(headers: MsgHdrs | undefined): Record<string, string> {
  const names = (headers?.keys() ?? []).filter((name) => !/^nats-/i.test(name));
  return Object.fromEntries(names.map((name) => [name, headers?.values(name).join(", ") ?? ""]));
}

export const headerReader =
  (headers: MsgHdrs | undefined) =>
  (name: string): string | undefined =>
    headers?.get(name) || undefined;

/** Unix µs of an RFC 3339 time with up to nine fractional digits; `Date` alone would cut it to ms. */
export function parseTimestampUs(timestamp: string): number {
  const fraction = /\.(\d+)/.exec(timestamp)?.[1] ?? "";
  const wholeMs = Date.parse(timestamp.replace(/\.\d+/, ""));
  return wholeMs * 1000 + Number(fraction.padEnd(6, "0").slice(0, 6));
}

/** Sequence of the last message of a stream, 0 when it never had one. */
export const readLastSequence = async (connection: Connection, stream: string): Promise<number> =>
  (await readExtent(connection, stream)).lastSequence;

/** The number of messages in a stream and the sequences of the first and the last one, all taken at the same moment. */
export async function readExtent(
  { jsm }: Connection,
  stream: string,
): Promise<{ messages: number; firstSequence: number; lastSequence: number }> {
  try {
    const { messages, first_seq, last_seq } = (await jsm.streams.info(stream)).state;
    return { messages, firstSequence: first_seq, lastSequence: last_seq };
  } catch (thrown) {
    throw fromNats(thrown, `read stream ${stream}`);
  }
}

/** Every subject under which a stream holds a message. */
export async function readSubjects({ jsm }: Connection, stream: string): Promise<string[]> {
  try {
    const { state } = await jsm.streams.info(stream, { subjects_filter: ">" });
    return Object.keys(state.subjects ?? {});
  } catch (thrown) {
    throw fromNats(thrown, `read stream ${stream}`);
  }
}

export type StreamSize = { messages: number; bytes: number; firstSequence: number; lastSequence: number };

/** How much a stream holds, from its leader; undefined where there is no such stream. */
export async function readStreamSize({ jsm }: Connection, stream: string): Promise<StreamSize | undefined> {
  try {
    const { messages, bytes, first_seq, last_seq } = (await jsm.streams.info(stream)).state;
    return { messages, bytes, firstSequence: first_seq, lastSequence: last_seq };
  } catch (thrown) {
    if (apiErrorOf(thrown) === apiErrors.streamNotFound) return undefined;
    throw fromNats(thrown, `read stream ${stream}`);
  }
}
