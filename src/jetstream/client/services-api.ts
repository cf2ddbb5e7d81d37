import { nuid } from "nats";
import { maskText } from "../../core/mask-secrets.ts";
import { answer, inboxForm } from "./ask.ts";
import type { Connection } from "./connection.ts";
import { noPermission } from "./nats-error.ts";

/** A service as the NATS Services API tells of it. Its name has letters, digits, `-` and `_`; its version is a SemVer. */
export type FoundService = {
  name: string;
  version: string;
  description: string;
  metadata: Readonly<Record<string, string>>;
  /** Read for each question. */
  endpoints(): readonly ServiceEndpoint[];
};

/** Something that a service works on. `requests` counts what it has worked on, failures included. */
export type ServiceEndpoint = {
  name: string;
  subject: string;
  queueGroup: string;
  metadata: Readonly<Record<string, string>>;
  requests: number;
  errors: number;
  lastError: string | undefined;
  /** The time that the requests took, µs in all. */
  workedUs: number;
  data: Readonly<Record<string, unknown>>;
};

const prefix = "$SRV";
/** An answer stays far below the largest message that a broker takes. */
const longestError = 500;

/**
 * Has this process's services found by every client of the NATS Services API, `nats micro` for one, until it is
 * stopped: answers `$SRV.PING`, `.INFO` and `.STATS`, of all services, of those of a name and of one instance, as
 * https://github.com/nats-io/nats-architecture-and-design, ADR-32, tells. Where this user may not listen or answer
 * there, one line says so and all else goes on.
 *
 * Not with the client's own `nats.services`: it answers on whatever reply subject a request names, with this process's
 * permissions to store events; and an endpoint of its is a subscription, through which work would come past the log.
 */
export function announceServices(
  connection: Connection,
  services: readonly FoundService[],
): { stop(): void } {
  const started = new Date().toISOString();
  const stopListening = tellRefusals(connection);
  const answering = services.flatMap((service) => {
    const { name, version, metadata } = service;
    const id = nuid.next();
    const answers = {
      PING: () => ({}),
      INFO: () => ({ description: service.description, endpoints: service.endpoints().map(infoOf) }),
      STATS: () => ({ started, endpoints: service.endpoints().map(statsOf) }),
    };
    return Object.entries(answers).flatMap(([verb, more]) => {
      const type = `io.nats.micro.v1.${verb.toLowerCase()}_response`;
      const say = () => JSON.stringify({ type, name, id, version, metadata, ...more() });
      const subjects = [`${prefix}.${verb}`, `${prefix}.${verb}.${name}`, `${prefix}.${verb}.${name}.${id}`];
      return subjects.map((subject) => answer(connection, { subject, replyTo: inboxForm }, say));
    });
  });
  return {
    stop() {
      for (const each of answering) each.stop();
      stopListening();
    },
  };
}

/** Notes the first subject of all that may not be listened on, and the first that may not be answered on. */
function tellRefusals({ onDenied, note, user }: Connection): () => void {
  const untold = new Set(["subscription", "publish"]);
  return onDenied((subject) => {
    const isOurs = subject.startsWith(`${prefix}.`);
    // What this process publishes to an inbox is an answer.
    const operation = isOurs ? "subscription" : "publish";
    if ((isOurs || inboxForm.test(subject)) && untold.delete(operation))
      note(`\`nats micro\` does not find the services: ${user}: ${noPermission({ operation, subject })}`);
    return isOurs;
  });
}

/** `nats micro` refuses all that it is told where a name has another character; a consumer's may. */
const nameOf = ({ name }: ServiceEndpoint): string => name.replace(/[^A-Za-z0-9_-]/g, "_");

const infoOf = (endpoint: ServiceEndpoint) => ({
  name: nameOf(endpoint),
  subject: endpoint.subject,
  queue_group: endpoint.queueGroup,
  metadata: endpoint.metadata,
});

const nsPerUs = 1000;

/** Times are whole ns. */
function statsOf(endpoint: ServiceEndpoint) {
  const { subject, queueGroup, requests, errors, lastError = "", workedUs, data } = endpoint;
  const processing_time = Math.round(workedUs * nsPerUs);
  return {
    name: nameOf(endpoint),
    subject,
    queue_group: queueGroup,
    num_requests: requests,
    num_errors: errors,
    last_error: maskText(lastError).slice(0, longestError),
    processing_time,
    average_processing_time: requests === 0 ? 0 : Math.trunc(processing_time / requests),
    data,
  };
}
