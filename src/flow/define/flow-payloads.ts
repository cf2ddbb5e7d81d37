import { dirname, resolve } from "node:path";
import type protobuf from "protobufjs";
import { OrderctlError } from "../../core/errors.ts";
import type { DefinedFlow } from "./define-flow.ts";
import { definitionFault } from "./definition-fault.ts";
import type { DefinedEvents } from "./flow-kinds.ts";
import { jsonPayload } from "./json-payload.ts";
import type { Payload } from "./payload.ts";
import { keyFieldOf } from "./stream-of.ts";

/** How the events of each kind are written: by the types of `given`, or of the `.proto` files of the definition. */
export async function payloadsOf(
  defined: DefinedFlow,
  events: DefinedEvents,
  given?: protobuf.Root,
): Promise<Record<string, Payload>> {
  const { definition, place } = defined;
  const root = given ?? (definition.proto === undefined ? undefined : await readProto(defined));
  const payloads: Record<string, Payload> = {};
  for (const [kind, event] of Object.entries(events)) {
    const { type, schema } = event;
    const payload = type === undefined ? jsonPayload(schema) : await typed(defined, root, { kind, type });
    const missing = missingField(payload, [keyFieldOf(definition), event.status]);
    if (missing !== undefined) throw definitionFault(place, `${kind}: ${type} has no field ${missing}`);
    payloads[kind] = payload;
  }
  return payloads;
}

const missingField = (payload: Payload, fields: readonly (string | undefined)[]): string | undefined =>
  fields.find((field) => field !== undefined && payload.hasField(field) === false);

/** Paths are those seen from the module's folder. */
async function readProto({ definition: { proto = [] }, place }: DefinedFlow): Promise<protobuf.Root> {
  const { loadProto } = await import("./load-proto.ts");
  const folder = place ? dirname(place.file) : ".";
  return loadProto([proto].flat().map((path) => resolve(folder, path)));
}

async function typed(
  { place }: DefinedFlow,
  root: protobuf.Root | undefined,
  { kind, type }: { kind: string; type: string },
): Promise<Payload> {
  if (!root)
    throw definitionFault(place, `${kind} is the protobuf message ${type}, and the flow names no proto`);
  const { protoPayload } = await import("./proto-payload.ts");
  try {
    return protoPayload(root.lookupType(type));
  } catch (thrown) {
    throw definitionFault(place, `${kind}: ${OrderctlError.from(thrown).message}`);
  }
}
