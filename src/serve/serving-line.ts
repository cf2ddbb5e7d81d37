import type { Serving } from "../flow/run-services.ts";
import { paint } from "../terminal/paint.ts";
import type { Style } from "../terminal/terminal.ts";

/** What is served, where, under which name, and how to stop it. `told` is the flow's own text. */
export const servingLine =
  (told: string) =>
  (
    { services, broker, brokerVersion, instance, url, metricsUrl, spansTo, archive }: Serving,
    style: Style,
  ): string => {
    const { bold, dim } = paint(style);
    const api = url === null ? "" : `; orders at ${url}/orders`;
    const metrics = metricsUrl === null ? "" : `; metrics at ${metricsUrl}/metrics`;
    const spans = spansTo === null ? "" : `; spans to ${spansTo}`;
    const into = archive === null ? "" : `; archive in ${archive}`;
    const more = told === "" ? "" : `; ${told}`;
    const where = `on ${broker} (nats-server ${brokerVersion}) as ${instance}${api}${metrics}${spans}${into}${more}`;
    return `serving ${bold(services.join(", "))} ${where} ${dim("- stop with Ctrl-C")}`;
  };
