import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { onTestFinished } from "vitest";

type Value = { stringValue?: string; intValue?: number | string; boolValue?: boolean };

/** A span as OTLP/JSON has it, its attributes as a plain object. */
export type SentSpan = {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  kind: number;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  status: { code?: number; message?: string };
  links: { traceId: string; spanId: string }[];
  events: { name: string }[];
  attributes: Record<string, string | number | boolean | undefined>;
  resource: Record<string, string | number | boolean | undefined>;
};

type Keyed = { key: string; value: Value }[];
type Wire = Omit<SentSpan, "attributes" | "resource"> & { attributes: Keyed };
type Body = { resourceSpans: { resource: { attributes: Keyed }; scopeSpans: { spans: Wire[] }[] }[] };

const plain = (attributes: Keyed) =>
  Object.fromEntries(
    attributes.map(({ key, value }) => [key, value.stringValue ?? value.intValue ?? value.boolValue]),
  );

/** A receiver of OTLP/JSON that shares no code with the program; `answer` decides the status of each request. */
export async function openOtlpSink(answer: () => number | Promise<number> = () => 200) {
  const spans: SentSpan[] = [];
  const server = createServer(async (request, response) => {
    const body = (await json(request)) as Body;
    const status = await answer();
    if (status === 200 && request.url === "/v1/traces") {
      for (const { resource, scopeSpans } of body.resourceSpans) {
        const all = scopeSpans.flatMap((scope) => scope.spans);
        spans.push(
          ...all.map((span) => ({
            ...span,
            attributes: plain(span.attributes),
            resource: plain(resource.attributes),
          })),
        );
      }
    }
    response.writeHead(status, { "content-type": "application/json" }).end("{}");
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  onTestFinished(close);
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, spans, close };
}
