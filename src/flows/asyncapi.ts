import { parseServerUrls, portOf } from "../cli/server-urls.ts";
import type { CompiledFlow } from "../flow/define/compile-flow.ts";
import { jsonSchemaOf } from "../flow/define/json-payload.ts";
import { type JsonSchema, SchemaWriter } from "../flow/define/proto-schema.ts";
import { definitionOf, digestOf } from "../flow/define/stored-definition.ts";
import type { EventDefinition } from "../flow/define/types.ts";

type Ref = { $ref: string };
type Operation = {
  action: "receive" | "send";
  channel: Ref;
  messages: Ref[];
  title: string;
  summary: string;
};

/** A document of AsyncAPI 3.0. */
export type AsyncApi = {
  asyncapi: "3.0.0";
  info: { title: string; version: string; description: string };
  servers?: Record<string, { host: string; protocol: string }>;
  channels: Record<string, object>;
  operations: Record<string, Operation>;
  components: { messages: Record<string, object>; schemas: Record<string, JsonSchema> };
};

/**
 * Describes a flow for others: a channel for each kind of event, what each service receives and sends, and what events
 * say. `server` is the address of the broker, of which credentials are left out. The version is the beginning of a
 * digest of the definition: another one for each change.
 */
export async function asyncApiOf(compiled: CompiledFlow, server: string | undefined): Promise<AsyncApi> {
  const { flow, defined } = compiled;
  const { name } = defined.definition;
  const writer = new SchemaWriter((type) => `#/components/schemas/${type}`);
  const messages = Object.fromEntries(flow.kinds.map((kind) => [kind, messageOf(compiled, kind, writer)]));
  return {
    asyncapi: "3.0.0",
    info: {
      title: name,
      version: digestOf(await definitionOf(compiled)).slice(0, 12),
      description: `Events by ${flow.keyField} in the stream ${flow.stream} of NATS JetStream, each kind stored once.`,
    },
    ...(server !== undefined && { servers: serversOf(server) }),
    channels: Object.fromEntries(flow.kinds.map((kind) => [kind, channelOf(compiled, kind)])),
    operations: operationsOf(compiled),
    components: { messages, schemas: writer.schemas },
  };
}

function serversOf(text: string): Record<string, { host: string; protocol: string }> {
  const { servers } = parseServerUrls(text);
  const entries = servers.map((server, index) => {
    const url = new URL(server);
    const address = { host: `${url.hostname}:${portOf(url)}`, protocol: url.protocol.replace(/:$/, "") };
    return [index === 0 ? "broker" : `broker${index + 1}`, address];
  });
  return Object.fromEntries(entries);
}

/** The parts of a subject that are left open; a parameter's name has fewer characters than a field's. */
const parameter = /\{([^{}]+)\}/g;
const parameterOf = (field: string): string => field.replace(/[^A-Za-z0-9_-]/g, "_");

function channelOf({ flow }: CompiledFlow, kind: string): object {
  const { keyField, keyForm, noun } = flow;
  const template = flow.templateOf(kind);
  const described = (name: string) =>
    name === "partition"
      ? `the partition of the key, of ${flow.partitions}`
      : `${keyField} of the ${noun.one}, as one token: ${keyForm}`;
  const names = [...template.matchAll(parameter)].map(([, name = ""]) => name);
  return {
    address: template.replace(parameter, (_, name: string) => `{${parameterOf(name)}}`),
    title: flow.labelOf(kind),
    messages: { [kind]: { $ref: `#/components/messages/${kind}` } },
    parameters: Object.fromEntries(
      names.map((name) => [parameterOf(name), { description: described(name) }]),
    ),
  };
}

function messageOf({ flow, defined, types }: CompiledFlow, kind: string, writer: SchemaWriter): object {
  const event: string | EventDefinition | undefined = defined.definition.events[kind];
  const { status, schema } = typeof event === "object" ? event : {};
  const type = types[kind];
  const title = flow.labelOf(kind);
  if (!type)
    return { name: kind, title, contentType: "application/json", payload: jsonSchemaOf(schema) ?? {} };
  const payload = writer.schemaOf(type);
  if (status !== undefined && payload.properties[status])
    payload.properties[status] = { type: "string", enum: [...flow.statusesOf(kind)] };
  const name = type.fullName.slice(1);
  return {
    ...{ name, title, contentType: "application/protobuf" },
    summary: `The protobuf message ${name}; the schema is that of its JSON form.`,
    payload: { ...payload, required: [flow.keyField, ...(status === undefined ? [] : [status])] },
  };
}

/** What each service receives and sends, and the first event, which `orderctl publish` sends. */
function operationsOf({ flow, defined }: CompiledFlow): Record<string, Operation> {
  const operations: Record<string, Operation> = {};
  const add = (
    who: string,
    action: Operation["action"],
    [kind, when]: readonly [kind: string, when?: string | undefined],
  ) => {
    const id = [who, action, kind, when].filter((part) => part !== undefined).join(".");
    operations[id] = {
      action,
      channel: { $ref: `#/channels/${kind}` },
      messages: [{ $ref: `#/channels/${kind}/messages/${kind}` }],
      title: `${who} ${action}s ${[kind, when].filter(Boolean).join(" ")}`,
      summary: summaryOf(action, when),
    };
  };
  add("publish", "send", [flow.firstKind]);
  for (const { name, service } of defined.services) {
    const { on, when, emits = [] } = service as typeof service & { when?: string };
    add(name, "receive", [on, when]);
    for (const kind of emits) add(name, "send", [kind]);
  }
  return operations;
}

function summaryOf(action: Operation["action"], when: string | undefined): string {
  if (action === "send") return "Stored once for a key.";
  return when === undefined ? "Every event of this kind." : `Those with the status ${when}.`;
}
