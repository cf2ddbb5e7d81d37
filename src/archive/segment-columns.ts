import type { SchemaElement } from "hyparquet";
import type { ColumnSource } from "hyparquet-writer";
import type { EventColumn, Flow, FlowEvent, Outcome, Total } from "../flow/flow.ts";
import type { EventPlace } from "../flow/layout.ts";
import type { StreamMessage } from "../jetstream/streams/stream-message.ts";
import { decodeHop, type Hop, hopHeader } from "../telemetry/hop.ts";
import { parseTraceparent } from "../telemetry/tracing/span.ts";

/** A message, and what it says. `event` and what follows from it are undefined for a message that cannot be decoded. */
type Row = {
  message: StreamMessage;
  place: EventPlace | undefined;
  event: FlowEvent | undefined;
  outcome: Outcome | undefined;
  total: Total | undefined;
  hop: Hop | undefined;
};

/** A column of a segment. */
export type Column = {
  name: string;
  /** Its elements in the schema of the file, the outermost first. */
  schema: readonly SchemaElement[];
  storage: Storage;
  valueIn(row: Row): unknown;
};

/** How values are stored, and what is stored about them. */
type Storage = Omit<ColumnSource, "name" | "data">;

/** The columns from which a message is read back. */
export const messageColumns = ["sequence", "stored_at", "subject", "headers", "payload"];

/** The columns of a flow's segments, in the order of the file. A row without a value has null. */
export function columnsOf(flow: Flow): Column[] {
  return [
    column(text(flow.keyField), ({ place }) => place?.key, bounded),
    column(text("kind"), ({ place }) => place?.kind, bounded),
    column(text("status"), ({ outcome }) => outcome?.outcome, bounded),
    column(text("detail"), ({ outcome }) => outcome?.detail),
    column(required(int64("sequence")), ({ message }) => BigInt(message.sequence), near),
    column(required(timestamp("stored_at")), ({ message }) => BigInt(message.storedAtUs), near),
    column(text("instance"), ({ hop }) => hop?.instance),
    column(int32("attempt"), ({ hop }) => hop?.attempt),
    column(text("trace_id"), ({ message }) => traceIdOf(message)),
    column(int64("amount_minor"), ({ total }) => total && BigInt(total.amountMinor), bounded),
    column(text("currency"), ({ total }) => total?.currency),
    ...Object.entries(flow.columns).map(([name, own]) => ownColumn(name, own)),
    column(required(text("subject")), ({ message }) => Buffer.from(message.subject), distinct),
    column(required(text("headers")), ({ message }) => headersOf(message), distinct),
    column(required(bytes("payload")), ({ message }) => message.payload, distinct),
  ];
}

const usual: Storage = { statistics: false };
/** With the least and the greatest value of each row group, by which readers skip row groups. */
const bounded: Storage = { statistics: true };
/** For numbers that are close to those before and after them. */
const near: Storage = { statistics: true, encoding: "DELTA_BINARY_PACKED" };
/** For values of which hardly one occurs twice: looking for those that do takes longer than it saves. */
const distinct: Storage = { statistics: false, encoding: "PLAIN" };

const column = (
  { name, ...element }: SchemaElement,
  valueIn: Column["valueIn"],
  storage = usual,
): Column => ({ name, schema: [{ name, ...element }], storage, valueIn });

const bytes = (name: string): SchemaElement => ({ name, type: "BYTE_ARRAY", repetition_type: "OPTIONAL" });
const text = (name: string): SchemaElement => ({ ...bytes(name), converted_type: "UTF8" });
const int32 = (name: string): SchemaElement => ({ ...bytes(name), type: "INT32" });
const int64 = (name: string): SchemaElement => ({ ...bytes(name), type: "INT64" });
const timestamp = (name: string): SchemaElement => ({ ...int64(name), converted_type: "TIMESTAMP_MICROS" });
const required = (element: SchemaElement): SchemaElement => ({ ...element, repetition_type: "REQUIRED" });

/** A list has the three levels of https://github.com/apache/parquet-format/blob/master/LogicalTypes.md#lists. */
function ownColumn(name: string, own: EventColumn): Column {
  if ("text" in own) return column(text(name), ({ event }) => event && own.text(event));
  const list: SchemaElement = {
    name,
    repetition_type: "OPTIONAL",
    converted_type: "LIST",
    num_children: 1,
  };
  const repeated: SchemaElement = { name: "list", repetition_type: "REPEATED", num_children: 1 };
  return {
    name,
    schema: [list, repeated, required(text("element"))],
    storage: usual,
    valueIn: ({ event }) => event && own.list(event),
  };
}

const traceIdOf = (message: StreamMessage): string | undefined =>
  parseTraceparent(message.header("traceparent"))?.traceId;

const headersOf = (message: StreamMessage): Buffer => Buffer.from(JSON.stringify(message.headers()));

/** Reads what a message says. Hot path: ~5 µs. */
export function readRow(flow: Flow, message: StreamMessage): Row {
  const { subject, payload } = message;
  const event = decodeOrNothing(flow, subject, payload);
  return {
    message,
    place: flow.parseSubject(subject),
    event,
    outcome: event && flow.describe(event),
    total: event && flow.totalOf(event),
    hop: decodeHop(message.header(hopHeader)),
  };
}

function decodeOrNothing(flow: Flow, subject: string, payload: Uint8Array): FlowEvent | undefined {
  try {
    return flow.decode(subject, payload);
  } catch {
    return undefined;
  }
}
