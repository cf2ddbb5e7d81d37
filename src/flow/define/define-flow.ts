import { OrderctlError } from "../../core/errors.ts";
import { parseDurationMs } from "../../core/units.ts";
import { type Place, placeOfCaller } from "./call-place.ts";
import type { StandardSchema } from "./json-payload.ts";
import type {
  AuditPromise,
  EventDefinition,
  FlowDefinition,
  FlowTypes,
  KindOf,
  ServiceDefinition,
} from "./types.ts";

/** What `open` is given, when what the services work with is opened: as they are started, and only then. */
export type DepsOptions = {
  /** The environment variables of the process. */
  env: Readonly<Record<string, string | undefined>>;
  /** Aborts when the process is to stop. */
  signal: AbortSignal;
};

type OpenDeps = (options: DepsOptions) => unknown;
type CloseDeps = (deps: never) => unknown;

/** A service of a definition, with where it stands. */
export type DefinedService = { name: string; service: ServiceDefinition; place: Place | undefined };

/** By what a flow is known, also of another copy of this package. */
const brand = Symbol.for("orderctl.flow");

/** A flow as it was defined, by `defineFlow`. Each method returns a new one. */
export class DefinedFlow<T extends FlowTypes = FlowTypes, Deps = undefined> {
  /** @internal */
  readonly definition: FlowDefinition<T>;
  /** @internal */
  readonly services: readonly DefinedService[];
  /** @internal */
  readonly place: Place | undefined;
  /** @internal */
  readonly openDeps: OpenDeps | undefined;
  /** @internal */
  readonly closeDeps: CloseDeps | undefined;

  /** @internal Made by `defineFlow`. */
  constructor(from: Pick<DefinedFlow<T>, "definition" | "services" | "place" | "openDeps" | "closeDeps">) {
    this.definition = from.definition;
    this.services = from.services;
    this.place = from.place;
    this.openDeps = from.openDeps;
    this.closeDeps = from.closeDeps;
    Object.defineProperty(this, brand, { value: 1 });
  }

  /**
   * What the handlers get as `ctx.deps`: a database, a client. `open` is called once in each process that runs services,
   * and by no other command; `close` after the last delivery.
   */
  deps<D>(open: (options: DepsOptions) => D | Promise<D>, close?: (deps: D) => unknown): DefinedFlow<T, D> {
    return new DefinedFlow<T, D>({ ...this, openDeps: open, closeDeps: close as CloseDeps | undefined });
  }

  /** Adds a service; one that works on several kinds of events is given once for each of them. */
  service<const On extends KindOf<T>, const E extends KindOf<T> = never>(
    name: string,
    service: ServiceDefinition<T, On, E, Deps>,
  ): DefinedFlow<T, Deps> {
    const added = { name, service: service as unknown as ServiceDefinition, place: placeOfCaller() };
    return new DefinedFlow<T, Deps>({ ...this, services: [...this.services, added] });
  }
}

/** An event of which the schema tells the fields. */
export type SchemaEvent = { schema: StandardSchema; status?: string; refusals?: readonly string[] } & {
  ends?: boolean | readonly string[];
  /** See `EventDefinition`. */
  sample?: (index: number) => object;
} & Pick<EventDefinition, "label" | "statuses">;
/** A flow of which each kind of events has a schema, which tells its type. */
export type SchemaDefinition = Omit<FlowDefinition, "events" | "key"> & {
  key: string;
  events: Readonly<Record<string, SchemaEvent>>;
};

/** What an event is after its schema has accepted it. */
export type OutputOf<S> = S extends { schema: StandardSchema<infer D> }
  ? D extends object
    ? D
    : never
  : never;

/** What the schemas of a definition say of its events. */
export type TypesOf<D extends SchemaDefinition> = {
  key: D["key"];
  events: { [K in keyof D["events"]]: OutputOf<D["events"][K]> };
};

/**
 * Defines a flow: events about one key, each kind stored once, and services that turn one kind into the next. The types
 * of the events are those of their schemas, or are given: `defineFlow<Claims>(…)`. What is wrong with a definition and
 * is no matter of types is told when it is loaded, with file and line.
 */
export function defineFlow<const D extends SchemaDefinition>(definition: D): DefinedFlow<TypesOf<D>>;
export function defineFlow<T extends FlowTypes>(definition: FlowDefinition<T>): DefinedFlow<T>;
export function defineFlow(definition: unknown): unknown {
  const flow = {
    definition,
    services: [],
    place: placeOfCaller(),
    openDeps: undefined,
    closeDeps: undefined,
  };
  return new DefinedFlow(flow as unknown as DefinedFlow);
}

export const isDefinedFlow = (value: unknown): value is DefinedFlow =>
  typeof value === "object" && value !== null && brand in value;

/**
 * A promise for `audit`: every event of a kind (with a status) is followed by one of other kinds, within a time.
 *
 *     every("opened").endsIn("closed", "refused").within("1h")
 */
export function every(kind: string, status?: string) {
  return {
    /** The kinds of which one has to follow. */
    endsIn: (...kinds: readonly string[]) => ({
      /** How soon: `500ms`, `30s`, `15m`, `1h`. */
      within: (time: string): AuditPromise => ({
        ...{ is: "ends", kind, status },
        ...{ in: kinds, withinMs: durationOf(time) },
      }),
    }),
  };
}

/**
 * A promise for `audit`: no event of a kind (with a status) stands in the log without another one before it.
 *
 *     no("paid").without("assessed", "COVERED")
 */
export function no(kind: string, status?: string) {
  return {
    /** The kind, and the status, that has to stand before it. */
    without: (needs: string, needsStatus?: string): AuditPromise => ({
      ...{ is: "without", kind, status },
      ...{ needs, needsStatus },
    }),
  };
}

function durationOf(time: string): number {
  const ms = parseDurationMs(time);
  if (ms !== undefined && ms > 0) return ms;
  throw new OrderctlError("usage", `${JSON.stringify(time)} is no time: 500ms, 30s, 15m, 1h`);
}
