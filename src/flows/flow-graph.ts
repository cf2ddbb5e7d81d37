import { endsOf } from "../flow/endings.ts";
import type { FlowShape } from "../flow/flow.ts";

/** One step of a flow: what a service makes of an event. `emits` is empty for a service that emits nothing. */
export type Step = { on: string; when: string | null; service: string; emits: readonly string[] };

/** What a flow is made of, as `flow show --json` tells it. */
export type FlowGraph = {
  stream: string;
  key: string;
  kinds: { kind: string; statuses: readonly string[]; ends: boolean | readonly string[] }[];
  steps: Step[];
};

export function flowGraph(flow: FlowShape): FlowGraph {
  return {
    stream: flow.stream,
    key: flow.keyField,
    kinds: flow.kinds.map((kind) => ({ kind, statuses: flow.statusesOf(kind), ends: endsOf(flow, kind) })),
    steps: flow.subscriptions.map(({ service, on, when = null, emits }) => ({ on, when, service, emits })),
  };
}

const eventName = (kind: string, status: string | null): string => [kind, status].filter(Boolean).join(" ");

/** A line for each step, in the order in which they can happen, then what ends a key. */
export function graphText({ stream, key, kinds, steps }: FlowGraph): string {
  const from = steps.map(({ on, when }) => eventName(on, when));
  const width = Math.max(0, ...from.map((text) => text.length));
  const services = Math.max(0, ...steps.map(({ service }) => service.length));
  const lines = steps.map(({ service, emits }, index) => {
    const to = emits.length === 0 ? "" : ` → ${emits.join(" or ")}`;
    return `  ${(from[index] ?? "").padEnd(width)} → ${service.padEnd(emits.length === 0 ? 0 : services)}${to}`;
  });
  const ends = kinds.flatMap(({ kind, ends: how }) => {
    if (Array.isArray(how)) return how.map((status) => eventName(kind, status));
    return how ? [kind] : [];
  });
  return [`stream ${stream}: events by ${key}`, "", ...lines, "", `ends with ${ends.join(", ")}`].join("\n");
}

/** The same as a flowchart of Mermaid. */
export function graphMermaid({ kinds, steps }: FlowGraph): string {
  const nodes = kinds.map(({ kind, ends }) => {
    const isEnd = ends === true || (Array.isArray(ends) && ends.length > 0);
    return `  ${kind}${isEnd ? `([${kind}])` : `[${kind}]`}`;
  });
  const edges = steps.flatMap(({ on, when, service, emits }) => {
    const label = eventName(service, when === null ? null : `(${when})`);
    return emits.map((kind) => `  ${on} -- "${label}" --> ${kind}`);
  });
  return ["flowchart LR", ...nodes, ...edges].join("\n");
}
