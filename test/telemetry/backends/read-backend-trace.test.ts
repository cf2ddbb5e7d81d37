import { afterEach, describe, expect, it } from "vitest";
import type { Span } from "../../../src/telemetry/tracing/span.ts";
import { readAll, readOrder, readTrace } from "./ask-backend.ts";
import {
  type Answers,
  type Backend,
  jaeger,
  recorded,
  startBackend,
  tempo,
  traceId,
} from "./start-backend.ts";

const closing: Backend[] = [];
afterEach(() => {
  for (const backend of closing.splice(0)) backend.close();
});

async function start(answers: Answers): Promise<Backend> {
  const backend = await startBackend(answers);
  closing.push(backend);
  return backend;
}

const shape = (spans: Span[]) =>
  spans.map((span) => {
    const parent = spans.find(({ spanId }) => spanId === span.parentSpanId);
    return `${span.kind} ${span.name} < ${parent?.name ?? "-"} (${span.resource["service.name"]}) ${span.status.code}`;
  });

describe("a trace of Jaeger", () => {
  it("is read with all that its spans carry, precise to the ns", async () => {
    const { url } = await start(jaeger({ v3: "jaeger-v3-trace.json" }));
    const spans = await readTrace({ kind: "jaeger", endpoint: url });
    expect(shape(spans)).toMatchInlineSnapshot(`
      [
        "PRODUCER publish ORDERS.created.{order_id} < - (orderctl) UNSET",
        "CONSUMER process ORDERS.created.{order_id} < publish ORDERS.created.{order_id} (payment) UNSET",
        "INTERNAL charge < process ORDERS.created.{order_id} (payment) OK",
        "CLIENT gateway charge < charge (payment) ERROR",
        "CLIENT gateway charge < charge (payment) UNSET",
        "CLIENT ack ORDERS.created.{order_id} < process ORDERS.created.{order_id} (payment) UNSET",
      ]
    `);
    expect(spans[3]).toMatchInlineSnapshot(`
      {
        "attributes": {
          "error.type": "unavailable",
          "order.id": "01703a83-3a7b-7000-8000-077fade85831",
          "orderctl.attempt": 1,
          "orderctl.service": "payment",
        },
        "endNs": 1795232004032476417n,
        "events": [
          {
            "attributes": {
              "exception.message": "connection reset",
              "exception.type": "unavailable",
            },
            "name": "exception",
            "timeNs": 1795232004032475417n,
          },
        ],
        "kind": "CLIENT",
        "links": [],
        "name": "gateway charge",
        "parentSpanId": "93564f51e1abe1c2",
        "resource": {
          "process.pid": 8640,
          "service.instance.id": "vm-8640",
          "service.name": "payment",
          "service.namespace": "orderctl",
        },
        "spanId": "b9c7c989f97918e1",
        "startNs": 1795232004031571417n,
        "status": {
          "code": "ERROR",
          "message": "connection reset",
        },
        "traceId": "0b7ad6b7169203331e2c5b4f6a9d8c71",
      }
    `);
    expect(spans[1]?.links).toEqual([{ traceId, spanId: "00f067aa0ba902b7", attributes: {} }]);
    expect(spans[0]?.parentSpanId).toBeNull();
  });

  it("is the same where the gRPC gateway of 1.2x streams it, with base64 ids and kinds as names", async () => {
    const { url } = await start(jaeger({ v3: "jaeger-v3-trace.json" }));
    const streaming = await start(jaeger({ v3: "jaeger-v3-streamed.ndjson" }));
    const spans = await readTrace({ kind: "jaeger", endpoint: streaming.url });
    expect(spans).toEqual(await readTrace({ kind: "jaeger", endpoint: url }));
  });

  it("is the same, to the µs, from a version that shows its user interface at the newer path", async () => {
    const { url } = await start(jaeger({ v3: "jaeger-v3-trace.json" }));
    const older = await start(jaeger({}));
    const toUs = (ns: bigint) => (ns / 1000n) * 1000n;
    const exact = await readTrace({ kind: "jaeger", endpoint: url });
    const expected = exact.map((span) => ({
      ...span,
      startNs: toUs(span.startNs),
      endNs: toUs(span.startNs) + toUs(span.endNs - span.startNs),
      events: span.events.map((event) => ({ ...event, timeNs: toUs(event.timeNs) })),
    }));
    expect(await readTrace({ kind: "jaeger", endpoint: older.url })).toEqual(expected);
  });

  it("is not moved in time to fit the clocks of other hosts", async () => {
    const modern = await start(jaeger({ v3: "jaeger-v3-trace.json" }));
    const older = await start(jaeger({}));
    await readTrace({ kind: "jaeger", endpoint: modern.url });
    await readTrace({ kind: "jaeger", endpoint: older.url });
    expect(modern.requests).toEqual([`/api/v3/traces/${traceId}?raw_traces=true`]);
    expect(older.requests.at(-1)).toBe(`/api/traces/${traceId}?raw=true`);
  });

  it("is found by the order's id, asking service after service", async () => {
    const backend = await start(
      jaeger({ v3: "jaeger-v3-trace.json", services: ["jaeger", "a/b c", "orderctl", "payment"] }),
    );
    const spans = await readOrder({ kind: "jaeger", endpoint: backend.url });
    expect(spans).toHaveLength(6);
    const paths = backend.requests.map((each) => new URL(each, backend.url));
    expect(paths.map(({ pathname, searchParams }) => [pathname, searchParams.get("service")])).toEqual([
      ["/api/services", null],
      ["/api/traces", "jaeger"],
      ["/api/traces", "a/b c"],
      ["/api/traces", "orderctl"],
      [`/api/v3/traces/${traceId}`, null],
    ]);
  });

  it("is none where nobody knows the trace or the order", async () => {
    const other = traceId.replace("0", "1");
    for (const traits of [{ v3: "jaeger-v3-trace.json" }, {}]) {
      const { url } = await start(jaeger(traits));
      expect(await readTrace({ kind: "jaeger", endpoint: url }, other)).toEqual([]);
      expect(await readOrder({ kind: "jaeger", endpoint: url }, "A-1001")).toEqual([]);
    }
    const wrapping = await start((_url, response) =>
      response
        .writeHead(500, { "content-type": "application/json" })
        .end('{"error":{"grpcCode":2,"httpCode":500,"message":"cannot retrieve trace: trace not found"}}'),
    );
    expect(await readTrace({ kind: "jaeger", endpoint: wrapping.url })).toEqual([]);
  });
});

describe("a trace of Tempo", () => {
  it("is the same as Jaeger has it, by either version of its path", async () => {
    const { url } = await start(jaeger({ v3: "jaeger-v3-trace.json" }));
    const expected = await readTrace({ kind: "jaeger", endpoint: url });
    for (const v2 of [true, false]) {
      const backend = await start(tempo({ v2 }));
      expect(await readTrace({ kind: "tempo", endpoint: backend.url })).toEqual(expected);
    }
  });

  it("is found by the order's id, within the time that Tempo searches", async () => {
    const backend = await start(tempo());
    expect(await readOrder({ kind: "tempo", endpoint: backend.url })).toHaveLength(6);
    expect(backend.requests.at(-1)).toBe(`/api/v2/traces/${traceId}`);
  });

  it("is none where nobody knows the trace or the order", async () => {
    for (const v2 of [true, false]) {
      const { url } = await start(tempo({ v2 }));
      expect(await readTrace({ kind: "tempo", endpoint: url }, traceId.replace("0", "1"))).toEqual([]);
      expect(await readOrder({ kind: "tempo", endpoint: url }, "A-1001")).toEqual([]);
    }
  });
});

describe("an odd span in the answer of a backend", () => {
  const answering = (body: unknown, path: RegExp) =>
    start(({ pathname }, response) =>
      path.test(pathname)
        ? response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body))
        : response.writeHead(404).end("404 page not found"),
    );
  const odd = [7, { traceId }, { traceId, spanId: "00f067aa0ba902b7", startTimeUnixNano: "0" }];
  const withOdd = (document: object) => {
    const text = JSON.stringify(document);
    const at = text.indexOf('"spans":[') + '"spans":['.length;
    return JSON.parse(
      `${text.slice(0, at)}${odd.map((each) => JSON.stringify(each)).join()},${text.slice(at)}`,
    );
  };

  // The whole answer used to be refused as no trace.
  it.each(["jaeger", "tempo"] as const)("costs only itself, and is told: OTLP of %s", async (kind) => {
    const document = withOdd(JSON.parse(recorded("jaeger-v3-trace.json")));
    const { url } = await answering(kind === "jaeger" ? document : { trace: document.result }, /\/v[23]\//);
    const { spans, unreadable } = await readAll(url, kind);
    expect(spans).toHaveLength(6);
    expect(unreadable.spans).toBe(3);
    expect(unreadable.reasons[0]).toBe("resourceSpans[0].scopeSpans[0].spans[0]: expected an object");
  });

  it("costs only itself, and is told: Jaeger's own JSON", async () => {
    const span = {
      traceID: traceId,
      spanID: "a1",
      operationName: "good",
      startTime: 1760000000000000,
      duration: 5,
    };
    const spans = [null, span, { ...span, spanID: "xyz" }, { ...span, startTime: 0 }, { ...span, tags: 5 }];
    const { url } = await answering({ data: [{ spans, processes: {} }] }, /^\/api\/traces/);
    const read = await readAll(url, "jaeger");
    expect(read.spans.map(({ name }) => name)).toEqual(["good"]);
    expect(read.unreadable.spans).toBe(4);
    expect(read.unreadable.reasons.join()).toContain('spans[2]: "xyz" is no id');
  });

  it("is no trace where there is nothing else", async () => {
    const { url } = await answering({ trace: { resourceSpans: [{ scopeSpans: [{ spans: odd }] }] } }, /v2/);
    await expect(readAll(url, "tempo")).rejects.toMatchObject({ code: "bad_message" });
  });
});
