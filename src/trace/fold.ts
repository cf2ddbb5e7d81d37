import { errorOf, serviceOf } from "../telemetry/tracing/span-facts.ts";
import { spanOf, type TraceNode } from "./node.ts";

/**
 * Siblings that share a row: the attempts of one call, or several similar spans. `shells` are spans that only wrapped
 * the attempts.
 */
export type Fold = {
  as: "attempts" | "similar" | null;
  members: readonly TraceNode[];
  shells: readonly TraceNode[];
};

export const alone = (node: TraceNode): Fold => ({ as: null, members: [node], shells: [] });

const fewestSimilar = 4;

/**
 * Folds siblings, keeping them in order of their start. No failure is hidden: a failed span is an attempt, or folded
 * with others that failed the same way, or alone.
 */
export function foldSiblings(siblings: readonly TraceNode[]): Fold[] {
  const runs = retryRuns(siblings);
  const tried = new Set(runs.flat());
  const alike = [
    ...groupBy(
      siblings.filter((node) => !tried.has(node)),
      likeness,
    ).values(),
  ];
  const folds: Fold[] = [
    ...runs.map((members): Fold => ({ as: "attempts", members, shells: [] })),
    ...alike
      .filter(({ length }) => length >= fewestSimilar)
      .map((members): Fold => ({ as: "similar", members, shells: [] })),
  ];
  const folded = new Set(folds.flatMap(({ members }) => members));
  const single = siblings.filter((node) => !folded.has(node));
  const place = new Map(siblings.map((node, index) => [node, index]));
  const placeOf = ({ members: [first] }: Fold) => (first && place.get(first)) ?? 0;
  return [...folds, ...single.map(alone)].sort((a, b) => placeOf(a) - placeOf(b));
}

/**
 * Runs of at least two calls with the same name and service, one after the other, in which all but the last failed:
 * attempts of one call.
 */
export const retryRuns = (siblings: readonly TraceNode[]): TraceNode[][] =>
  [...groupBy(siblings, nameOf).values()].flatMap(runsIn);

function runsIn(nodes: readonly TraceNode[]): TraceNode[][] {
  const runs: TraceNode[][] = [];
  for (const node of nodes) {
    const run = runs.at(-1);
    const before = run?.at(-1);
    if (run && before && hasError(before) && node.fromNs >= before.toNs) run.push(node);
    else runs.push([node]);
  }
  return runs.filter(({ length }) => length > 1);
}

/** Groups items by key; an item whose key is undefined is left out. */
function groupBy<T>(items: readonly T[], keyOf: (item: T) => string | undefined): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    if (key === undefined) continue;
    const group = groups.get(key) ?? [];
    groups.set(key, group);
    group.push(item);
  }
  return groups;
}

const hasError = (node: TraceNode): boolean => spanOf(node)?.status.code === "ERROR";

/** Undefined for an event, which never shares its row. */
const nameOf = (node: TraceNode): string | undefined => {
  const span = spanOf(node);
  return span && `${serviceOf(span)} ${span.kind} ${span.name}`;
};

/** Equal for nodes that may share a row; undefined for a node that must stand alone. */
function likeness(node: TraceNode): string | undefined {
  const span = spanOf(node);
  if (!span || node.children.some(failsWithin) || holdsEvent(node)) return undefined;
  return `${serviceOf(span)} ${span.kind} ${errorOf(span) ?? ""} ${namePattern(span.name)}`;
}

const failsWithin = (node: TraceNode): boolean => hasError(node) || node.children.some(failsWithin);

const holdsEvent = (node: TraceNode): boolean => node.of.is !== "span" || node.children.some(holdsEvent);

/** A span name without the parts that vary between spans: `GET /users/…`. */
export const namePattern = (name: string): string =>
  name.replace(/\b(?=[\da-f-]*\d)[\da-f-]{2,}\b|\d+/gi, "…");
