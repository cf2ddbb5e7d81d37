import { readVersion } from "../core/version.ts";
import type { Flow, Subscription } from "../flow/flow.ts";
import { archiveService } from "../flow/log-archive.ts";
import { consumersOf } from "../flow/log-consumers.ts";
import type { ConsumerWork, RunningServices } from "../flow/run-services.ts";
import type { FoundService, ServiceEndpoint } from "../jetstream/client/services-api.ts";

/** The services of this process for the NATS Services API: each by its name on the broker, with its consumers. */
export function foundServices(flow: Flow, { serving, work }: RunningServices): FoundService[] {
  const { instance, services } = serving;
  const version = readVersion();
  return services.map((name) => {
    const consumers = consumersOf(flow, name)
      .map(({ consumer }) => consumer)
      .join(",");
    const about = { flow: flow.name, stream: flow.stream, ...(consumers !== "" && { consumers }) };
    return {
      name,
      version,
      description: descriptionOf(flow, name, serving),
      metadata: { ...about, instance },
      endpoints: () => work().flatMap((each) => (each.service === name ? [endpointOf(flow, each)] : [])),
    };
  });
}

function descriptionOf(flow: Flow, name: string, { url, archive }: RunningServices["serving"]): string {
  const { stream, noun } = flow;
  if (name === archiveService) return `archives ${stream} to ${archive}`;
  const subscriptions = flow.subscriptionsOf(name);
  if (subscriptions.length === 0) return `takes ${noun.many} at ${url}`;
  return `works on ${noun.many}: ${subscriptions.map((each) => wayOf(flow, each)).join(", ")}`;
}

const wayOf = ({ stream }: Flow, { on, when, emits }: Subscription): string =>
  `${[`${stream}.${on}`, when].filter(Boolean).join(" ")} → ${emits.join(" or ") || "nothing"}`;

/**
 * A consumer, on which nobody can call: its subject is that of the events it takes, with a wildcard for the key, and
 * its queue group is what the processes that share its work have in common.
 */
function endpointOf(flow: Flow, work: ConsumerWork): ServiceEndpoint {
  const { consumer, filters, subscriptions, counts, lastError, workedUs } = work;
  const listed = (of: (each: Subscription) => readonly string[]) =>
    [...new Set(subscriptions.flatMap(of))].join(",");
  const when = listed((each) => (each.when === undefined ? [] : [each.when]));
  const { processed, failed, duplicates, inFlight } = counts;
  const { stream } = flow;
  return {
    name: consumer,
    subject: filters[0] ?? "",
    queueGroup: consumer,
    metadata: {
      ...{ stream, consumer, filters: filters.join(",") },
      ...{ on: listed(({ on }) => [on]), emits: listed(({ emits }) => emits) },
      ...(when !== "" && { when }),
    },
    requests: processed + failed,
    errors: failed,
    lastError,
    workedUs,
    data: { duplicates, inFlight },
  };
}
