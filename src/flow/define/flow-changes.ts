import type { CompiledFlow } from "./compile-flow.ts";
import type { Finding } from "./finding.ts";
import { messageChanges } from "./proto-changes.ts";
import type { EventDefinition } from "./types.ts";

/**
 * What breaks for the events that are stored when a flow's definition becomes another one: what a broker holds would be
 * read as something else, or no more. Empty where everything that is stored stays what it is.
 */
export function flowChanges(before: CompiledFlow, after: CompiledFlow): Finding[] {
  const { flow: was } = before;
  const { flow: is } = after;
  const where = moduleOf(after);
  const breaks = (what: string, why: string): Finding => ({ level: "breaks", what, where, why });
  const seen = new Set<string>();
  return [
    ...(was.stream === is.stream
      ? []
      : [
          breaks(
            `the stream was ${was.stream} and is ${is.stream}`,
            "what is stored in the old one is found no more",
          ),
        ]),
    ...(was.keyField === is.keyField
      ? []
      : [
          breaks(
            `the key was ${was.keyField} and is ${is.keyField}`,
            "stored events are refused: they are of other keys, or none",
          ),
        ]),
    ...(was.partitions === is.partitions
      ? []
      : [
          breaks(
            `there were ${was.partitions ?? "no"} partitions and are ${is.partitions ?? "none"}`,
            "a key has another subject then, and begins again",
          ),
        ]),
    ...was.kinds.flatMap((kind) =>
      is.kinds.includes(kind)
        ? kindChanges(kind, { before, after, breaks, seen })
        : [breaks(`there is no ${kind} any more`, "what is stored of it is no event of the flow")],
    ),
  ];
}

type Between = {
  before: CompiledFlow;
  after: CompiledFlow;
  breaks: (what: string, why: string) => Finding;
  seen: Set<string>;
};

function kindChanges(kind: string, { before, after, breaks, seen }: Between): Finding[] {
  const [was, is] = [before.types[kind], after.types[kind]];
  if (Boolean(was) !== Boolean(is)) {
    const [from, to] = [was, is].map((type) => (type ? "protobuf" : "JSON"));
    return [breaks(`${kind} was ${from} and is ${to}`, "what is stored of it cannot be read")];
  }
  const [from, to] = [statusField(before, kind), statusField(after, kind)];
  if (to !== undefined && from !== to) {
    const what =
      from === undefined
        ? `${kind} has the status ${to} now`
        : `the status of ${kind} was ${from} and is ${to}`;
    return [breaks(what, "stored events without it are refused")];
  }
  const inMessages = was && is ? messageChanges(was, is, seen) : [];
  const lost = before.flow.statusesOf(kind).filter((status) => !after.flow.statusesOf(kind).includes(status));
  // A value that its enum has lost is told of with its place.
  const isTold = (status: string) => isValue(was, to, status) && !isValue(is, to, status);
  const untold = to === undefined ? [] : lost.filter((status) => !isTold(status));
  return [
    ...inMessages,
    ...untold.map((status) =>
      breaks(`${kind} has lost the status ${status}`, "stored events with it are refused"),
    ),
  ];
}

function statusField({ defined }: CompiledFlow, kind: string): string | undefined {
  const event: string | EventDefinition | undefined = defined.definition.events[kind];
  return typeof event === "object" ? event.status : undefined;
}

function isValue(type: CompiledFlow["types"][string], field = "", value = ""): boolean {
  const resolved = type?.fields[field]?.resolve().resolvedType;
  return resolved !== null && resolved !== undefined && "values" in resolved && value in resolved.values;
}

const moduleOf = ({ defined: { place } }: CompiledFlow): string | null =>
  place ? `${place.file}:${place.line}` : null;
