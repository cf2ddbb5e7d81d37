import type { KindEntry } from "../flow.ts";
import type { DefinedFlow } from "./define-flow.ts";
import { definitionFault } from "./definition-fault.ts";
import type { Data, Payload } from "./payload.ts";
import type { EventDefinition } from "./types.ts";

/** The events of a definition by kind, each written out. */
export type DefinedEvents = Readonly<Record<string, EventDefinition<Data>>>;

const kindForm = /^[A-Za-z][A-Za-z0-9_-]{0,31}$/;

export function eventsOf({ definition, place }: DefinedFlow): DefinedEvents {
  const entries = Object.entries(definition.events ?? {});
  if (entries.length === 0) throw definitionFault(place, "it has no events");
  const bad = entries.find(([kind]) => !kindForm.test(kind));
  if (bad)
    throw definitionFault(
      place,
      `a kind of events is letters, digits, '-' and '_', not ${JSON.stringify(bad[0])}`,
    );
  const written = entries.map(([kind, event]) => [kind, typeof event === "string" ? { type: event } : event]);
  return Object.fromEntries(written);
}

type Kinds = { defined: DefinedFlow; events: DefinedEvents; payloads: Readonly<Record<string, Payload>> };

/** The rows of the flow's table: what the definition leaves open is derived from its services. */
export function kindsOf(of: Kinds): Record<string, KindEntry> {
  const forked = Object.keys(of.events).find((kind) => isFork(of.defined, kind));
  const open = Object.entries(of.events).find(([, { ends }]) => ends === undefined);
  // Where two services go on from one event, what nobody goes on from need not be the end.
  if (forked !== undefined && open)
    throw definitionFault(
      of.defined.place,
      `several services go on from ${forked}, so say of ${open[0]}, and of each kind, whether it ends a key (ends: true, false, or statuses)`,
    );
  return Object.fromEntries(
    Object.entries(of.events).map(([kind, event]) => [
      kind,
      event.status === undefined ? plainKind(of, kind, event) : kindWithStatus(of, kind, event),
    ]),
  );
}

/** Whether two services emit something for the same events. */
function isFork({ services }: DefinedFlow, kind: string): boolean {
  const going = services.filter(({ service: { on, emits = [] } }) => on === kind && emits.length > 0);
  return going.some((one, index) =>
    going.slice(index + 1).some((other) => {
      const [a, b] = [one.service.when, other.service.when];
      return a === undefined || b === undefined || a === b;
    }),
  );
}

function plainKind(
  { defined }: Kinds,
  kind: string,
  { label = kind, ends }: EventDefinition<Data>,
): KindEntry {
  const isEnd = ends === true || (ends === undefined && !goesOn(defined, kind));
  const ending = { ends: true, outcomes: { [kind.toUpperCase()]: "good" } } as const;
  return { label, becomes: kind, ...(isEnd && ending) };
}

function kindWithStatus(of: Kinds, kind: string, event: EventDefinition<Data>): KindEntry {
  const { label = kind } = event;
  const refusals: readonly string[] = event.refusals ?? [];
  const statuses = statusesOf(of, kind, event);
  const ends = endsOf(of, { kind, ends: event.ends, statuses });
  const unknown = [...refusals, ...ends].find((each) => !statuses.includes(each));
  if (unknown !== undefined)
    throw definitionFault(
      of.defined.place,
      `${kind} has no status ${unknown}: it has ${statuses.join(", ")}`,
    );
  const outcomes = ends.map((each) => [each, refusals.includes(each) ? "bad" : "good"] as const);
  return {
    label,
    becomes: Object.fromEntries(statuses.map((each) => [each, each.toLowerCase()])),
    refusals,
    ...(ends.length > 0 && { ends, outcomes: Object.fromEntries(outcomes) }),
  };
}

function statusesOf(
  { defined, payloads }: Kinds,
  kind: string,
  event: EventDefinition<Data>,
): readonly string[] {
  const { status = "" } = event;
  const statuses = event.statuses ?? payloads[kind]?.statusesOf(status) ?? [];
  if (statuses.length > 0) return statuses;
  throw definitionFault(
    defined.place,
    `the statuses of ${kind} are not known: ${status} is no enum, so list them (statuses: […])`,
  );
}

type Ending = { kind: string; ends: boolean | readonly string[] | undefined; statuses: readonly string[] };

function endsOf({ defined }: Kinds, { kind, ends, statuses }: Ending): readonly string[] {
  if (ends === true) return statuses;
  if (ends === false) return [];
  return ends ?? statuses.filter((status) => !goesOn(defined, kind, status));
}

/** Whether a service emits something for such events. */
const goesOn = ({ services }: DefinedFlow, kind: string, status?: string): boolean =>
  services.some(({ service: { on, when, emits = [] } }) => {
    const takes = status === undefined || when === undefined || when === status;
    return on === kind && emits.length > 0 && takes;
  });
