import { createReadStream } from "node:fs";
import { OrderctlError } from "../core/errors.ts";
import { untilAborted } from "../core/waiting.ts";
import type { CompiledFlow } from "../flow/define/compile-flow.ts";
import { type DataEvent, eventOf, headersAs } from "../flow/define/event-codec.ts";
import { parseJson } from "../flow/define/json-payload.ts";
import type { Data } from "../flow/define/payload.ts";
import { faultOf, type JsonValue, readJsonFile } from "../publish/files/json-values.ts";
import { beginningOf, type Reject } from "../publish/files/reject.ts";

/** What makes events of one kind of a flow. */
export type EventMaker = (data: Data) => DataEvent;

/** Throws `bad_message` for data that is no event of the kind. */
export const eventMaker =
  ({ flow, defined }: CompiledFlow, kind: string): EventMaker =>
  (data) => {
    const event = eventOf(defined.definition.key, kind, data);
    // Refused before it is sent, with the row that it comes from; and as it will be read, so that it is the same as what
    // is stored of it already.
    return flow.decode(flow.subjectOf(event.kind, event.key), flow.encode(event), headersAs(flow, event));
  };

/** The one event that was typed as JSON. Throws `usage` for a text that is no event of the kind. */
export function typedEvent(make: EventMaker, text: string): DataEvent {
  try {
    return make(objectOf(text));
  } catch (thrown) {
    throw new OrderctlError("usage", `--data: ${reasonOf(thrown)}`);
  }
}

type Reading = {
  file: string;
  stdin: AsyncIterable<Uint8Array | string>;
  signal: AbortSignal;
  onReject: (reject: Reject) => void;
};

/**
 * The events of a file of JSON: one object per line, objects over several lines, or an array. What is no event of the
 * kind goes to `onReject`. Throws `bad_message` for a file without any, and with the signal's reason once it aborts.
 */
export async function* fileEvents(make: EventMaker, reading: Reading): AsyncGenerator<DataEvent> {
  const { file, stdin, signal, onReject } = reading;
  const name = file === "-" ? "standard input" : file;
  const values = readJsonFile(file === "-" ? stdin : createReadStream(file), name);
  let isEmpty = true;
  for await (const value of untilStopped(values, signal)) {
    const item = readValue(make, value);
    if (item === undefined) continue;
    isEmpty = false;
    if ("reason" in item) onReject(item);
    else yield item;
  }
  if (isEmpty) throw new OrderctlError("bad_message", `${name} holds no event`);
}

/** A pipe without data gives nothing that could be waited for. */
async function* untilStopped<T>(values: AsyncGenerator<T>, signal: AbortSignal): AsyncGenerator<T> {
  for (;;) {
    const next = await untilAborted(values.next(), signal);
    signal.throwIfAborted();
    if (!next || next.done) return;
    yield next.value;
  }
}

function readValue(make: EventMaker, value: JsonValue): DataEvent | Reject | undefined {
  const text = value.bytes.toString().trim();
  const fault = faultOf(value);
  const refused = (reason: string): Reject => ({ row: value.row, reason, text: beginningOf(text) });
  if (fault !== undefined) return refused(fault);
  if (text === "") return undefined;
  try {
    return make(objectOf(text));
  } catch (thrown) {
    return refused(reasonOf(thrown));
  }
}

function objectOf(text: string): Data {
  const value = parseJson(text);
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Data;
  throw new Error("it is no JSON object");
}

/** Without the subject, which nobody has typed. */
function reasonOf(thrown: unknown): string {
  const { message } = thrown instanceof Error ? thrown : new Error(String(thrown));
  return message.replace(/^\S+: no event of kind /, "no event of kind ");
}

/** So many events as the flow's own `sample` makes. Throws `usage` where the kind has none. */
export function sampleEvents(compiled: CompiledFlow, kind: string, count: number): Iterable<DataEvent> {
  const event = compiled.defined.definition.events[kind];
  const sample = typeof event === "object" ? event.sample : undefined;
  if (!sample)
    throw new OrderctlError("usage", `--count makes events of ${kind} by its sample, and it has none`, {
      hint: "sample: (index) => ({ … }) in its definition, or give --data or --file",
    });
  const make = eventMaker(compiled, kind);
  return (function* () {
    for (let index = 0; index < count; index += 1) yield make(sample(index) as Data);
  })();
}
