import { isDeepStrictEqual } from "node:util";
import type { KindEntry, SubscriptionEntry } from "../flow.ts";
import type { DefinedFlow, DefinedService } from "./define-flow.ts";
import { definitionFault } from "./definition-fault.ts";

const nameForm = /^[a-z][a-z0-9-]{0,31}$/;
/** What `serve` means by these is not a service of the flow. */
const reserved: readonly string[] = ["all", "archive"];

/** What makes a consumer that of its service. */
const ownSettings = new Set([
  ...["name", "durable_name", "filter_subject", "filter_subjects"],
  ...["ack_policy", "deliver_subject", "deliver_group", "deliver_policy", "opt_start_seq", "opt_start_time"],
  // With these, the broker would drop an event without a dead letter, or a consumer with its place.
  ...["max_deliver", "headers_only", "inactive_threshold", "mem_storage"],
  ...["priority_policy", "priority_groups", "priority_timeout"],
]);

export const isName = (text: unknown): boolean => typeof text === "string" && nameForm.test(text);

/** The name of a service on the broker: another flow may have one of the same name. */
export const serviceOnBroker = (flowName: string, service: string): string => `${flowName}_${service}`;

export const bucketOnBroker = (flowName: string, bucket: string): string => `${flowName}_${bucket}`;

/** Of its own subscription alone: whatever is added to the service later, this one goes on where it was. */
export const consumerOf = (
  { definition }: DefinedFlow,
  { name, service: { on, when } }: DefinedService,
): string => [serviceOnBroker(definition.name, name), on, ...(when === undefined ? [] : [when])].join("_");

/** The rows of the flow's table, by the services' names on the broker. Throws `usage` for a service that cannot be. */
export function subscriptionsOf(
  defined: DefinedFlow,
  kinds: Readonly<Record<string, KindEntry>>,
): Record<string, SubscriptionEntry[]> {
  const byService: Record<string, SubscriptionEntry[]> = {};
  for (const each of defined.services) {
    const fault = faultOf(defined, each, kinds);
    if (fault !== undefined) throw definitionFault(each.place, `service ${each.name} ${fault}`);
    const { on, when, emits = [], startAt, ordered, consumer: settings } = each.service;
    const inOrder = ordered === true && defined.definition.partitions !== undefined;
    const name = serviceOnBroker(defined.definition.name, each.name);
    const begins = startAt === "new" ? { startAt } : {};
    const entry = {
      consumer: consumerOf(defined, each),
      on,
      emits,
      ...(when !== undefined && { when }),
      ...begins,
      ...(settings && { settings }),
      ...(inOrder && { inOrder }),
    };
    byService[name] = [...(byService[name] ?? []), entry];
  }
  return byService;
}

/** In order, one consumer is for all that a service works on. */
function faultOfOrder(
  service: DefinedService["service"],
  first: DefinedService["service"] | undefined,
): string | undefined {
  const { ordered = false, startAt, consumer } = service;
  if (ordered !== (first?.ordered ?? false)) return "is ordered for one kind of events and not for another";
  if (!ordered) return undefined;
  const alike = isDeepStrictEqual([startAt, consumer], [first?.startAt, first?.consumer]);
  if (!alike) return "is ordered, so startAt and consumer have to be the same for each kind of events";
  return consumer && "max_ack_pending" in consumer
    ? "is ordered, so max_ack_pending of its consumers is orderctl's own to set"
    : undefined;
}

type Kinds = Readonly<Record<string, KindEntry>>;

function faultOf(defined: DefinedFlow, each: DefinedService, kinds: Kinds): string | undefined {
  const { name, service } = each;
  if (!isName(name)) return "has a name that is not small letters, digits and '-'";
  if (reserved.includes(name)) return "has a name that means something else to `serve`";
  if (typeof service?.handle !== "function") return "has no handler: handle(event, ctx)";
  const first = defined.services.find((other) => other.name === name)?.service;
  if (defined.definition.partitions !== undefined && faultOfOrder(service, first) !== undefined)
    return faultOfOrder(service, first);
  const taken = Object.keys(service.consumer ?? {}).find((setting) => ownSettings.has(setting));
  if (taken !== undefined) return `sets ${taken} of its consumer, which is orderctl's own to set`;
  return faultOfKinds(service, Object.keys(kinds)) ?? faultOfWhen(each, kinds) ?? faultOfTwin(defined, each);
}

function faultOfKinds(
  { on, emits = [] }: DefinedService["service"],
  kinds: readonly string[],
): string | undefined {
  const unknown = [on, ...emits].find((kind) => !kinds.includes(kind));
  if (unknown !== undefined) return `names ${unknown}, which is no event of the flow: ${kinds.join(", ")}`;
  const back = emits.find((kind) => kinds.indexOf(kind) <= kinds.indexOf(on));
  if (back === undefined) return undefined;
  return `emits ${back} of ${on}, and ${back} is not listed behind it: events are listed in the order in which they happen`;
}

function faultOfWhen({ service: { on, when } }: DefinedService, kinds: Kinds): string | undefined {
  const becomes = kinds[on]?.becomes;
  const statuses = typeof becomes === "object" ? Object.keys(becomes) : [];
  if (when === undefined || statuses.includes(when)) return undefined;
  const known = statuses.length > 0 ? `it has ${statuses.join(", ")}` : "it has no status";
  return `works on ${on} with status ${when}, and ${known}`;
}

function faultOfTwin({ services }: DefinedFlow, each: DefinedService): string | undefined {
  const { on, when } = each.service;
  const twin = services.find(({ name, service }) => {
    const overlaps = when === undefined || service.when === undefined || service.when === when;
    return service !== each.service && name === each.name && service.on === on && overlaps;
  });
  return twin && `works on ${on} twice`;
}
