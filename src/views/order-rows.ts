import type { OrderTimeline, TimelineHop } from "../pipeline/order-timeline.ts";
import type { Style } from "../terminal.ts";
import type { Segment } from "./bars.ts";
import { printable } from "./plain-text.ts";

/** One row of the tree: plain text, ready to be laid out. */
export type OrderRow = {
  label: string;
  segments: Segment[];
  /** `null` for the root, which nothing led to. */
  tookMs: number | null;
  hop: TimelineHop | null;
  outcome: string;
  tone: "normal" | "refused" | "waiting";
};

/** Events as people name them. */
export const eventNames: Record<TimelineHop["kind"], string> = {
  created: "created",
  payments: "payment",
  reservations: "reservation",
  shipments: "shipment",
  refunds: "refund",
  notifications: "notification",
};

type Branches = { last: string; more: string; pass: string; gap: string };

const unicodeBranches: Branches = { last: "└ ", more: "├ ", pass: "│ ", gap: "  " };
const asciiBranches: Branches = { last: "`- ", more: "|- ", pass: "|  ", gap: "   " };

type Node = { row: (lead: string) => OrderRow; children: Node[] };

/** The order's events as a tree, causes above effects, and last what it waits for. */
export function orderRows(timeline: OrderTimeline, style: Style): OrderRow[] {
  const { hops } = timeline;
  const known = new Set(hops.map(({ sequence }) => sequence));
  const branches = style.unicode ? unicodeBranches : asciiBranches;
  return hops
    .filter((hop) => isRoot(hop, known))
    .flatMap((hop) => drawTree(nodeOf(hop, timeline, style), { lead: "", indent: "" }, branches));
}

function nodeOf(hop: TimelineHop, timeline: OrderTimeline, style: Style): Node {
  const children = timeline.hops
    .filter(({ causeSequence, sequence }) => causeSequence === hop.sequence && sequence > hop.sequence)
    .map((effect) => nodeOf(effect, timeline, style));
  if (timeline.waitingFor && hop === timeline.hops.at(-1))
    children.push({ row: (lead) => pendingRow(timeline, lead), children: [] });
  return { row: (lead) => hopRow(hop, lead, style), children };
}

function drawTree(
  { row, children }: Node,
  { lead, indent }: { lead: string; indent: string },
  branches: Branches,
): OrderRow[] {
  const below = children.flatMap((child, index) => {
    const isLast = index === children.length - 1;
    const [branch, under] = isLast ? [branches.last, branches.gap] : [branches.more, branches.pass];
    return drawTree(child, { lead: indent + branch, indent: indent + under }, branches);
  });
  return [row(lead), ...below];
}

/** An effect stored before its cause hangs nowhere: such a log is broken, and the event stands on its own. */
const isRoot = ({ causeSequence, sequence }: TimelineHop, known: ReadonlySet<number>): boolean =>
  causeSequence === null || causeSequence >= sequence || !known.has(causeSequence);

function hopRow(hop: TimelineHop, lead: string, { unicode }: Style): OrderRow {
  const { refused, attempt } = hop;
  const attempts = attempt !== null && attempt > 1 ? ` ${unicode ? "×" : "x"}${attempt}` : "";
  const sign = refused ? `${unicode ? "✗" : "x"} ` : "";
  return {
    label: `${lead}${eventNames[hop.kind]}${attempts}`,
    segments: segmentsOf(hop),
    tookMs: hop.elapsedMs,
    hop,
    outcome: printable(`${sign}${outcomeText(hop)}`),
    tone: refused ? "refused" : "normal",
  };
}

function outcomeText({ kind, outcome, detail }: TimelineHop): string {
  if (kind === "created") return detail ?? "";
  if (detail === null) return outcome;
  return kind === "shipments" || kind === "notifications"
    ? `${outcome} by ${detail}`
    : `${outcome} ${detail}`;
}

function segmentsOf(hop: TimelineHop): Segment[] {
  const { offsetMs, elapsedMs, waitedMs, workedMs, storingMs, refused } = hop;
  if (elapsedMs === null) return [];
  const fromMs = offsetMs - elapsedMs;
  if (waitedMs === null || workedMs === null || storingMs === null)
    return [{ as: "unknown", fromMs, toMs: offsetMs }];
  const received = fromMs + waitedMs;
  const finished = received + workedMs;
  return [
    { as: "waited", fromMs, toMs: received },
    { as: refused ? "refused" : "worked", fromMs: received, toMs: finished },
    { as: "storing", fromMs: finished, toMs: offsetMs },
  ];
}

function pendingRow({ status, waitingFor, waitingMs, totalMs }: OrderTimeline, lead: string): OrderRow {
  const next = {
    payment: "payment",
    inventory: "reservation",
    shipping: "shipment",
    notification: "notification",
  };
  const name = status === "out_of_stock" ? "refund" : next[waitingFor ?? "payment"];
  return {
    label: `${lead}${name}`,
    segments: [{ as: "waited", fromMs: totalMs - (waitingMs ?? 0), toMs: totalMs }],
    tookMs: waitingMs,
    hop: null,
    outcome: `waiting for ${waitingFor}`,
    tone: "waiting",
  };
}
