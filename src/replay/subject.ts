import type { FlowShape } from "../flow/flow.ts";

/** The subject that an event of the flow has in the log, also where this is a copy under another prefix; else itself. */
export function logSubject(flow: FlowShape, subject: string): string {
  const own = `${flow.stream}.${subject.split(".").slice(-2).join(".")}`;
  return flow.parseSubject(own) ? own : subject;
}

/** The subject under another prefix: its first token is replaced. */
export function underPrefix(subject: string, prefix: string): string {
  const dot = subject.indexOf(".");
  return dot < 0 ? prefix : prefix + subject.slice(dot);
}

/** The subject with its last token left open, as messages are counted: `ORDERS.created.*`. */
export function subjectGroup(subject: string): string {
  const dot = subject.lastIndexOf(".");
  return dot < 0 ? subject : `${subject.slice(0, dot)}.*`;
}

/** The subject with its order left open: what may stand in span names; with the order's id, empty where there is none. */
export function traceNames(flow: FlowShape, subject: string): { template: string; orderId: string } {
  const group = subjectGroup(subject);
  const named = flow.parseSubject(logSubject(flow, subject));
  if (!named) return { template: group, orderId: "" };
  return { template: `${group.slice(0, -1)}{order_id}`, orderId: named.key };
}
