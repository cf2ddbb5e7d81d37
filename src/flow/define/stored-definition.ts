import { createHash } from "node:crypto";
import { OrderctlError } from "../../core/errors.ts";
import { endsOf } from "../endings.ts";
import { type CompiledFlow, compileDefinedFlow } from "./compile-flow.ts";
import { DefinedFlow, type DefinedService } from "./define-flow.ts";
import type { KeyPlace } from "./existing-layout.ts";
import type { AuditPromise, EventDefinition, ServiceDefinition } from "./types.ts";

type StoredKind = {
  kind: string;
  label: string;
  payload: "protobuf" | "json";
  /** The protobuf message; `null` for JSON. */
  type: string | null;
  /** JSON that a schema checks, which is code and not stored. */
  hasSchema: boolean;
  status: string | null;
  statuses: readonly string[];
  refusals: readonly string[];
  ends: boolean | readonly string[];
  /** Where events of the kind are in a stream that other programs made, and what their headers say; `null` in another. */
  subject: string | null;
  headers: Readonly<Record<string, string>>;
};

type StoredService = {
  name: string;
  on: string;
  when: string | null;
  emits: readonly string[];
  startAt: "all" | "new";
  ordered: boolean;
};

/** What of a flow's definition is no code: enough to read and describe its events, without its module. */
export type StoredDefinition = {
  version: 1;
  name: string;
  stream: string;
  /** Whether other programs made the stream; then where its keys are, beside subjects. */
  isExisting: boolean;
  keyFrom: KeyPlace | null;
  partitions: number | null;
  buckets: readonly string[];
  key: string;
  noun: readonly [one: string, many: string];
  kinds: readonly StoredKind[];
  services: readonly StoredService[];
  audit: readonly AuditPromise[];
  /** A `FileDescriptorSet` of protobuf, in base64; `null` where no event is protobuf. */
  descriptors: string | null;
};

/** The same definition gives the same document, whatever process asks. */
export async function definitionOf(compiled: CompiledFlow): Promise<StoredDefinition> {
  const { flow, defined, types } = compiled;
  const { name, key, keyFrom = null, partitions = null, buckets = [], audit = [] } = defined.definition;
  const root = Object.values(types).find((type) => type !== undefined)?.root;
  const { descriptorSet } = await import("./descriptor-set.ts");
  return {
    version: 1,
    ...{ isExisting: !flow.isManaged, keyFrom, partitions, buckets },
    ...{ name, stream: flow.stream, key, noun: [flow.noun.one, flow.noun.many] },
    kinds: Object.entries(defined.definition.events).map(([kind, event]) =>
      storedKind(compiled, kind, typeof event === "string" ? { type: event } : event),
    ),
    services: defined.services.map(storedService),
    // Without what is undefined, as it will be read.
    audit: JSON.parse(JSON.stringify(audit)),
    descriptors: root ? Buffer.from(descriptorSet(root)).toString("base64") : null,
  };
}

function storedKind({ flow, types }: CompiledFlow, kind: string, event: EventDefinition): StoredKind {
  const type = types[kind];
  const statuses = flow.statusesOf(kind);
  return {
    ...{ kind, label: flow.labelOf(kind), payload: type ? "protobuf" : "json" },
    type: type?.fullName.slice(1) ?? null,
    hasSchema: event.schema !== undefined,
    status: event.status ?? null,
    statuses,
    refusals: statuses.filter((status) => flow.isRefusal(kind, status)),
    ends: endsOf(flow, kind),
    ...{ subject: event.subject ?? null, headers: event.headers ?? {} },
  };
}

const storedService = ({ name, service }: DefinedService): StoredService => {
  const {
    on,
    when = null,
    emits = [],
    startAt = "all",
    ordered = false,
  } = service as ServiceDefinition & {
    when?: string;
  };
  return { name, on, when, emits, startAt, ordered };
};

/** Tells one definition from another. */
export const digestOf = (definition: StoredDefinition): string =>
  createHash("sha256").update(JSON.stringify(definition)).digest("hex");

/**
 * The flow of a stored definition. Its handlers only throw: they are in the flow's module. JSON is read without its
 * schema. Throws `unavailable` for what is no such definition, or one of a later version.
 */
export async function compileStored(stored: StoredDefinition): Promise<CompiledFlow> {
  if (stored?.version !== 1)
    throw unreadable(`it has version ${stored?.version}, and this orderctl reads version 1`);
  try {
    return await compileDefinedFlow(definedBy(stored), await rootOf(stored));
  } catch (thrown) {
    throw unreadable(OrderctlError.from(thrown).message, thrown);
  }
}

const unreadable = (why: string, cause?: unknown): OrderctlError =>
  new OrderctlError("unavailable", `the definition on the broker cannot be read: ${why}`, {
    cause,
    source: "store",
  });

async function rootOf({ descriptors }: StoredDefinition) {
  if (descriptors === null) return undefined;
  const { rootOfDescriptors } = await import("./descriptor-set.ts");
  return rootOfDescriptors(Buffer.from(descriptors, "base64"));
}

function definedBy(stored: StoredDefinition): DefinedFlow {
  const { name, key, noun, kinds, services, audit, isExisting, keyFrom, partitions, buckets } = stored;
  const events = kinds.map(({ kind, label, type, status, statuses, refusals, ends, subject, headers }) => {
    const place = subject === null ? {} : { subject, headers };
    const withStatus = status === null ? {} : { status, statuses, refusals };
    return [kind, { label, ends, ...(type !== null && { type }), ...withStatus, ...place }];
  });
  const definition = {
    ...{ name, key, noun, audit, buckets, events: Object.fromEntries(events) },
    stream: isExisting ? { name: stored.stream, manage: false as const } : stored.stream,
    ...(keyFrom !== null && { keyFrom }),
    ...(partitions !== null && { partitions }),
  };
  return new DefinedFlow({
    definition,
    services: services.map(({ name: service, ...rest }) => definedService(service, rest)),
    place: undefined,
    openDeps: undefined,
    closeDeps: undefined,
  });
}

const definedService = (
  name: string,
  { on, when, emits, startAt, ordered }: Omit<StoredService, "name">,
): DefinedService => ({
  name,
  service: { on, emits, startAt, ordered, ...(when !== null && { when }), handle: noHandler } as never,
  place: undefined,
});

function noHandler(): never {
  throw new OrderctlError("usage", "its handler is in the flow's module");
}
