import { readFileSync } from "node:fs";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { readTrace } from "../../src/collector/read-trace.ts";
import {
  type Collector,
  type CollectorOptions,
  startCollector,
} from "../../src/collector/start-collector.ts";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import type { Span } from "../../src/telemetry/tracing/span.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { startTestBroker, type TestBroker } from "../support/start-test-broker.ts";

export const checkout = readFileSync(join(import.meta.dirname, "../../fixtures/otlp/checkout.json"));
export const checkoutTrace = "4bf92f3577b34da6a3ce929d0e0e4736";

export type Body = NonNullable<RequestInit["body"]>;

export type Answer = { status: number; headers: Headers; bytes: Buffer; json(): unknown };

/** A collector on a broker of its own; `notes` is what the operator was told. All of it ends with the test. */
export type CollectorWorld = {
  broker: TestBroker;
  connection: Connection;
  collector: Collector;
  notes: string[];
  /** Sends a body to `/v1/traces`, as JSON unless told otherwise. */
  post(body: Body, headers?: Record<string, string>): Promise<Answer>;
  read(traceId: string): Promise<Span[]>;
};

export async function openCollectorWorld(
  options: Partial<CollectorOptions> = {},
  extraConfig?: string,
): Promise<CollectorWorld> {
  const broker = await startTestBroker(extraConfig === undefined ? {} : { extraConfig });
  const connection = await openTestConnection(broker.url);
  const notes: string[] = [];
  const note = (text: string) => void notes.push(text);
  const collector = await startCollector(connection, { host: "127.0.0.1", port: 0, note, ...options });
  onTestFinished(async () => {
    await collector.stop(1000);
    await connection.close();
    await broker.stop();
  });
  return {
    broker,
    connection,
    collector,
    notes,
    post: (body, headers = {}) =>
      send(`${collector.url}/v1/traces`, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body,
      }),
    read: async (traceId) => (await readTrace(connection, traceId)).spans,
  };
}

export async function send(url: string, init?: RequestInit): Promise<Answer> {
  const response = await fetch(url, { ...init, signal: AbortSignal.timeout(20_000) });
  const bytes = Buffer.from(await response.arrayBuffer());
  const json = () => JSON.parse(bytes.toString());
  return { status: response.status, headers: response.headers, bytes, json };
}

const hex = (n: number, digits: number) => n.toString(16).padStart(digits, "0");

/** A span in OTLP/JSON; the same numbers make the same ids. */
export const jsonSpan = (trace: number, span: number, more: object = {}) => ({
  traceId: traceIdOf(trace),
  spanId: hex(span, 16),
  name: `span ${span}`,
  startTimeUnixNano: String(1_760_000_000_000_000_000n + BigInt(span)),
  ...more,
});

export const traceIdOf = (trace: number): string => hex(trace, 32);

export const jsonBody = (spans: readonly object[]): string =>
  JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans }] }] });
