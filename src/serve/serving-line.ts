import type { Serving } from "../flow/run-services.ts";
import { paint } from "../terminal/paint.ts";
import type { Style } from "../terminal/terminal.ts";

/** What is served, where, under which name, and how to stop it. */
export function servingLine(
  { services, broker, brokerVersion, instance, url, metricsUrl, spansTo, unknownSkuUnits }: Serving,
  style: Style,
): string {
  const { bold, dim } = paint(style);
  const api = url === null ? "" : `; orders at ${url}/orders`;
  const metrics = metricsUrl === null ? "" : `; metrics at ${metricsUrl}/metrics`;
  const spans = spansTo === null ? "" : `; spans to ${spansTo}`;
  const unknown = unknownSkuUnits === null ? "" : `; ${unknownSkusText(unknownSkuUnits)}`;
  const where = `on ${broker} (nats-server ${brokerVersion}) as ${instance}${api}${metrics}${spans}${unknown}`;
  return `serving ${bold(services.join(", "))} ${where} ${dim("- stop with Ctrl-C")}`;
}

const unknownSkusText = (units: number): string =>
  units === 0
    ? "SKUs that nobody has stocked are out of stock"
    : `${units.toLocaleString("en")} units of each SKU that nobody has stocked`;
